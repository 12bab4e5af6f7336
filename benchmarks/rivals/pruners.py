"""Optuna's own: its TPE with each of its pruners, through ask, report, should_prune and tell."""

import warnings

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from automl.study import Answer, Params
from automl.study.space import Choice, Integer, SearchSpace, Single
from benchmarks.rivals.search_settings import SearchSettings, existing, flat


class Pruned:
    """An Optuna study in memory; a trial that its pruner stops is told as PRUNED."""

    def __init__(self, settings: SearchSettings, pruner: BasePruner) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = TPESampler(multivariate=True, constant_liar=True, seed=settings.seed)
        self._space = settings.space
        self._distributions = distributions(settings.space)
        # The Hyperband pruner draws a trial's bracket from the study's name.
        self.study = optuna.create_study(
            direction="maximize", sampler=sampler, pruner=pruner, study_name=f"seed {settings.seed}"
        )
        for params in settings.first:
            self.study.enqueue_trial(params)
        self._running: dict[int, optuna.Trial] = {}
        self._last: dict[int, float] = {}

    def next(self) -> tuple[int, Params] | None:
        """Ask the study."""
        trial = self.study.ask(self._distributions)
        self._running[trial.number] = trial
        return trial.number, existing(self._space, trial.params)

    def told(self, number: int, params: Params) -> None:
        """Put the params in the place of those asked."""
        rewrite(self.study, self._running[number], params)

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:  # noqa: ARG002
        """Ask the pruner; PAUSE does not occur."""
        trial = self._running[number]
        trial.report(value, epoch)
        self._last[number] = value
        if trial.should_prune():
            self.study.tell(self._running.pop(number), state=TrialState.PRUNED)
            return Answer.STOP
        return Answer.CONTINUE

    def ended(self, number: int) -> None:
        """Tell the value of the last epoch; a trial that was pruned before is known already."""
        if trial := self._running.pop(number, None):
            last = self._last.get(number)
            self.study.tell(trial, last, state=TrialState.FAIL if last is None else TrialState.COMPLETE)


def make(name: str, settings: SearchSettings) -> Pruned:
    """Return `optuna_hyperband`, `optuna_median` or `optuna_halving`, each with Optuna's own settings."""
    if name == "optuna_hyperband":
        return Pruned(
            settings,
            HyperbandPruner(min_resource=1, max_resource=settings.max_epochs, reduction_factor=3),
        )
    return Pruned(settings, MedianPruner() if name == "optuna_median" else SuccessiveHalvingPruner())


def rewrite(study: optuna.Study, trial: optuna.Trial, params: Params) -> None:
    """Replace the params of a running trial in its study, whose sampler learns from them."""
    drawn = study._storage.get_trial(trial._trial_id).distributions
    for name, distribution in drawn.items():
        if name in params:
            internal = distribution.to_internal_repr(params[name])
            study._storage.set_trial_param(trial._trial_id, name, internal, distribution)


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the space in Optuna's words."""
    return {name: _distribution(parameter) for name, parameter in flat(space).items()}


def _distribution(parameter: Single) -> BaseDistribution:
    if isinstance(parameter, Choice):
        return CategoricalDistribution(parameter.choices)
    if isinstance(parameter, Integer):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)
