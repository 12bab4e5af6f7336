"""What to try next: Optuna's TPE over what the study has seen, the default params first.

The model study lives in memory and is rebuilt from the trials of the journal, so no second store can run ahead of it.
Trials that were stopped early are told as PRUNED with their values, those that run count as busy places.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState, create_trial

from automl.records import ParamValue, State, Trial
from automl.space import SearchSpace, Suggesting

RANDOM_STARTS: Final = 6
"""Trials after the default that are drawn at random before a model is asked."""
RANDOM_SHARE: Final = 0.1
"""Share of later trials drawn at random: a cheap insurance where early ranks mislead."""

HIDDEN_DRAWS: Final = "tpe:relative_params:0"


class Sampler:
    """Draws params; told of every trial. Numbers are the study's trial numbers, without gaps."""

    def __init__(
        self, space: SearchSpace, *, seed: int, metric: str, distributions: Mapping[str, BaseDistribution]
    ) -> None:
        """Start with an empty history."""
        self._space = space
        self._seed = seed
        self._metric = metric
        self._distributions = distributions
        self._study = optuna.create_study(direction="maximize")
        self._running: dict[int, optuna.Trial] = {}

    def ask(self) -> tuple[dict[str, ParamValue], str]:
        """Return the next params and where they come from: `default`, `random` or `tpe`.

        The draw depends on the seed, the trial's number and the history only, so that a resumed study goes on as it
        would have.
        """
        number = len(self._study.get_trials(deepcopy=False))
        generator = np.random.default_rng([self._seed, number])
        if number == 0:
            self._study.enqueue_trial(self._space.defaults())
            origin = "default"
        else:
            origin = "random" if number <= RANDOM_STARTS or generator.random() < RANDOM_SHARE else "tpe"
        self._study.sampler = _sampler(origin, seed=int(generator.integers(2**31)))
        return self._draw(), origin

    def add(self, trial: Trial) -> None:
        """Take in a trial of an earlier session, in the order of numbers."""
        if trial.state is State.RUNNING:
            self._study.enqueue_trial(dict(trial.params))
            self._study.sampler = _sampler("random", seed=0)
            self._draw()
            for measurement in trial.measurements:
                self.observe(
                    trial.number, epoch=measurement.epoch, best=trial.best(self._metric, until=measurement.epoch)
                )
            return
        self._study.add_trial(
            create_trial(
                state={State.COMPLETED: TrialState.COMPLETE, State.PRUNED: TrialState.PRUNED}.get(
                    trial.state, TrialState.FAIL
                ),
                value=trial.best(self._metric) if trial.state is State.COMPLETED else None,
                params=dict(trial.params),
                distributions={name: self._distributions[name] for name in trial.params},
                intermediate_values={
                    m.epoch: best
                    for m in trial.measurements
                    if (best := trial.best(self._metric, until=m.epoch)) is not None
                },
            )
        )

    def observe(self, number: int, *, epoch: int, best: float | None) -> None:
        """Take in the best value so far of a running trial."""
        if best is not None:
            self._running[number].report(best, epoch)

    def tell(self, trial: Trial) -> None:
        """Take in how a trial ended."""
        running = self._running.pop(trial.number)
        if trial.state is State.COMPLETED:
            self._study.tell(running, trial.best(self._metric))
        elif trial.state is State.PRUNED and trial.measurements:
            self._study.tell(running, state=TrialState.PRUNED)
        else:
            self._study.tell(running, state=TrialState.FAIL)

    def _draw(self) -> dict[str, ParamValue]:
        trial = self._study.ask()
        self._running[trial.number] = trial
        params = self._space.suggest(cast("Suggesting", trial))
        # TPE keeps what it drew for parameters that do not exist under these params; a resumed study would not know it.
        self._study._storage.set_trial_system_attr(trial._trial_id, HIDDEN_DRAWS, "")
        return params


def importances(
    trials: Sequence[Trial], *, metric: str, epoch: int, distributions: Mapping[str, BaseDistribution]
) -> dict[str, float]:
    """Return the share of each parameter in the spread of results at one epoch, largest first.

    All trials are compared at the same epoch, so that a stopped trial's low value does not pass for a bad end. The
    method is PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255). Empty with fewer than five trials at that epoch.
    """
    study = optuna.create_study(direction="maximize")
    for trial in trials:
        value = trial.best(metric, until=epoch)
        if trial.epoch >= epoch and value is not None:
            held = {name: distributions[name] for name in trial.params}
            study.add_trial(create_trial(value=value, params=dict(trial.params), distributions=held))
    if len(study.trials) < 5:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Target and region quantiles select the same set")
            found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.3))
    except (RuntimeError, ValueError, UserWarning):  # too many equal values: nothing tells the good ones apart
        return {}
    total = sum(found.values())
    return {name: share / total for name, share in found.items()} if total > 0 else {}


def _sampler(origin: str, *, seed: int) -> optuna.samplers.BaseSampler:
    if origin != "tpe":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=0)
