"""Ray Tune's searchers and schedulers, driven as objects, without a cluster: stock, and random with and without ASHA.

Calls come in the order of `TuneController` of Ray 2.60: the scheduler sees each result first, the searcher sees it only
when the trial goes on, and a stopped trial is told as complete, with its last result, to both.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import optuna
from optuna.samplers import TPESampler
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch
from ray.tune.search.variant_generator import generate_variants

from automl.study import Answer, Params
from automl.study.space import Choice, Integer, SearchSpace, Single
from benchmarks.rivals.pruners import rewrite
from benchmarks.rivals.search_settings import SearchSettings, existing, flat

METRIC: Final = "metrics/mAP50-95(B)"
STOCK_GRACE: Final = 10
OUR_GRACE: Final = 2
REDUCTION: Final = 3


class Searcher(Protocol):
    """The part of Ray's searchers that Tune calls."""

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return params."""
        ...

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Take in an epoch of a trial that goes on."""
        ...

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None) -> None:
        """Take in the last result."""
        ...


class Scheduler(Protocol):
    """The part of Ray's schedulers that Tune calls."""

    def on_trial_add(self, controller: object, trial: "Seat") -> None:
        """Take in a new trial."""
        ...

    def on_trial_result(self, controller: object, trial: "Seat", result: Mapping[str, Any]) -> str:
        """Decide."""
        ...

    def on_trial_complete(self, controller: object, trial: "Seat", result: Mapping[str, Any]) -> None:
        """Take in the last result."""
        ...


@dataclass(frozen=True, slots=True)
class Seat:
    """Stands for Ray's Trial, of which the schedulers read only the id."""

    trial_id: str


class Tuned:
    """A searcher and a scheduler of Ray, driven as Tune drives them.

    Tune keeps one suggested trial waiting while all workers are busy, so the searcher is always asked one trial ahead.
    """

    def __init__(self, space: SearchSpace, searcher: Searcher, scheduler: Scheduler) -> None:
        self._space = space
        self.searcher = searcher
        self.scheduler = scheduler
        self._suggested = 0
        self._waiting: tuple[int, Params] | None = None
        self._last: dict[int, dict[str, Any]] = {}

    def next(self) -> tuple[int, Params] | None:
        """Return the trial that waits, and let the next one wait."""
        started = self._waiting or self._suggest()
        self._last[started[0]] = {}
        self._waiting = self._suggest()
        return started

    def told(self, number: int, params: Params) -> None:
        """Put the params in the place of those suggested, where the searcher remembers them."""
        if isinstance(self.searcher, OptunaSearch):
            rewrite(self.searcher._ot_study, self.searcher._ot_trials[str(number)], params)

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        """Ask the scheduler; PAUSE does not occur."""
        seat = Seat(str(number))
        result = {"epoch": epoch, "training_iteration": epoch, METRIC: value, "time_this_iter_s": seconds}
        self._last[number] = result
        if self.scheduler.on_trial_result(None, seat, result) == TrialScheduler.STOP:
            self.ended(number)
            return Answer.STOP
        self.searcher.on_trial_result(seat.trial_id, result)
        return Answer.CONTINUE

    def ended(self, number: int) -> None:
        """Tell both of the last result; a trial that was stopped before is known already."""
        if (last := self._last.pop(number, None)) is not None:
            seat = Seat(str(number))
            self.scheduler.on_trial_complete(None, seat, last)
            self.searcher.on_trial_complete(seat.trial_id, result=last)

    def _suggest(self) -> tuple[int, Params]:
        number, self._suggested = self._suggested, self._suggested + 1
        params = existing(self._space, self.searcher.suggest(str(number)) or {})
        self.scheduler.on_trial_add(None, Seat(str(number)))
        return number, params


class Drawn:
    """Random params by the function that Ray's BasicVariantGenerator calls; that class needs a registered trainable."""

    def __init__(self, settings: SearchSettings) -> None:
        self._spec = {"config": ray_space(settings.space)}
        self._random = np.random.default_rng(settings.seed)
        self._first = settings.first

    def suggest(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002
        """Return the points to evaluate, then random params."""
        if self._first:
            return self._first.pop(0)
        _, spec = next(generate_variants(self._spec, random_state=self._random))
        return dict(spec["config"])

    def on_trial_result(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Learn nothing."""

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None) -> None:
        """Learn nothing."""


def make(name: str, settings: SearchSettings) -> Tuned:
    """Return `stock`, `random_asha` or `random`."""
    if name == "stock":
        return Tuned(settings.space, _optuna_search(settings), _asha(settings, STOCK_GRACE))
    scheduler = FIFOScheduler() if name == "random" else _asha(settings, OUR_GRACE)
    return Tuned(settings.space, Drawn(settings), scheduler)


def ray_space(space: SearchSpace) -> dict[str, Any]:
    """Return the space as a user of Tune would write it."""
    return {name: _domain(parameter) for name, parameter in flat(space).items()}


def _domain(parameter: Single) -> Any:  # noqa: ANN401
    if isinstance(parameter, Choice):
        return tune.choice(list(parameter.choices))
    if isinstance(parameter, Integer):
        draw = tune.lograndint if parameter.log else tune.randint
        return draw(parameter.low, parameter.high + 1)
    return (tune.loguniform if parameter.log else tune.uniform)(parameter.low, parameter.high)


def _asha(settings: SearchSettings, grace: int) -> Scheduler:
    scheduler: Scheduler = ASHAScheduler(
        time_attr="epoch",
        metric=METRIC,
        mode="max",
        max_t=settings.max_epochs,
        grace_period=min(grace, settings.max_epochs),
        reduction_factor=REDUCTION,
    )
    return scheduler


def _optuna_search(settings: SearchSettings) -> Searcher:
    """Return the searcher that `run_ray_tune` of Ultralytics 8.4.190 makes; it leaves only the seed out."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = TPESampler(multivariate=True, constant_liar=True, seed=settings.seed)
    search = OptunaSearch(sampler=sampler, metric=METRIC, mode="max", points_to_evaluate=settings.first)
    search.set_search_properties(None, None, ray_space(settings.space))
    searcher: Searcher = search
    return searcher
