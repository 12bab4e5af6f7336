"""Syne Tune's asynchronous multi-fidelity searches through its package, driven as its Tuner drives them.

Of 0.16 there are BOHB and ASHA with BORE. MOBSTER, HyperTune and DyHPO were last shipped by 0.14, which works beside
all else here if put before it on the path, though it asks for an older NumPy:
`pip install --no-deps --target DIR syne-tune==0.14.2 autograd==1.9.1 dill`, then `PYTHONPATH=DIR`.
Settings are the package's own, but for promotion in place of stopping, and HyperTune's several brackets.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

import numpy as np
from syne_tune import config_space
from syne_tune.backend.trial_status import Trial

from automl.study import Answer, Params
from automl.study.space import Choice, Integer, SearchSpace, Single
from benchmarks.rivals.search_settings import SearchSettings, existing, flat

METRIC: Final = "value"
EPOCH: Final = "epoch"
START: Final = datetime(2000, 1, 1, tzinfo=UTC)
LEGACY: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "mobster": ("MOBSTER", {"type": "promotion"}),
    "hypertune": ("HyperTune", {"type": "promotion", "brackets": 4}),
    "dyhpo": ("DyHPO", {}),
}
ANSWERS: Final = {"CONTINUE": Answer.CONTINUE, "PAUSE": Answer.PAUSE, "STOP": Answer.STOP}
CURRENT: Final = {"syne_bohb": "BOHB", "syne_bore": "ASHABORE"}


class Synchronised:
    """A scheduler of Syne Tune, which also suggests."""

    def __init__(self, settings: SearchSettings, scheduler: Any, *, numbered: bool) -> None:  # noqa: ANN401
        self._space = settings.space
        self.scheduler = scheduler
        self._numbered = numbered
        self._state = np.random.RandomState(settings.seed).get_state()
        self._trials: list[Trial] = []
        self._last: dict[int, dict[str, Any]] = {}

    def next(self) -> tuple[int, Params] | None:
        """Start a new trial or go on with one that paused."""
        number = len(self._trials)
        with self._seeded():
            suggestion = self.scheduler.suggest(*[number] * self._numbered)
        if suggestion is None:
            return None
        if suggestion.spawn_new_trial_id:
            self._trials.append(Trial(trial_id=number, config=suggestion.config, creation_time=START))
            self.scheduler.on_trial_add(self._trials[number])
        else:
            number = int(suggestion.checkpoint_trial_id)
        self._last[number] = self._last.get(number, {})
        return number, existing(self._space, self._trials[number].config)

    def told(self, number: int, params: Params) -> None:
        """Put the params in the place of those suggested, where the searcher looks them up by trial."""
        config = self._trials[number].config
        config.update((name, value) for name, value in params.items() if name in config)

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:  # noqa: ARG002
        """Ask the scheduler."""
        trial = self._trials[number]
        self._last[number] = {METRIC: value, EPOCH: epoch}
        with self._seeded():
            decision = self.scheduler.on_trial_result(trial, dict(self._last[number]))
        answer = ANSWERS[decision]
        if answer is not Answer.CONTINUE:
            self.scheduler.on_trial_remove(trial)
        if answer is Answer.STOP:
            del self._last[number]
        return answer

    def ended(self, number: int) -> None:
        """Tell the last result; a trial that was stopped before is known already."""
        if (last := self._last.pop(number, None)) is None:
            return
        if last:
            self.scheduler.on_trial_complete(self._trials[number], last)
        else:
            self.scheduler.on_trial_error(self._trials[number])

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Lend NumPy's global generator, which some of the searchers draw from, a state of this search's own."""
        before = np.random.get_state()
        np.random.set_state(self._state)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            self._state = np.random.get_state()
            np.random.set_state(before)


def make(name: str, settings: SearchSettings) -> Synchronised:
    """Return one of `LEGACY` and `CURRENT`."""
    logging.getLogger("syne_tune").setLevel(logging.ERROR)
    space = syne_space(settings.space)
    common: dict[str, Any] = {
        "metric": METRIC,
        "max_t": settings.max_epochs,
        "random_seed": settings.seed,
    }
    if settings.first:
        common["points_to_evaluate"] = settings.first
    if name in CURRENT:
        baseline = getattr(import_module("syne_tune.optimizer.baselines"), CURRENT[name])
        scheduler = baseline(space, time_attr=EPOCH, do_minimize=False, **common)
        return Synchronised(settings, scheduler, numbered=False)
    title, own = LEGACY[name]
    baseline = getattr(import_module("syne_tune.optimizer.legacy_baselines"), title)
    common |= {"resource_attr": EPOCH, "mode": "max", "search_options": {"debug_log": False}, **own}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = baseline(space, **common)
    return Synchronised(settings, scheduler, numbered=True)


def syne_space(space: SearchSpace) -> dict[str, Any]:
    """Return the space in Syne Tune's words; its integers include the upper end."""
    return {name: _domain(parameter) for name, parameter in flat(space).items()}


def _domain(parameter: Single) -> Any:  # noqa: ANN401
    if isinstance(parameter, Choice):
        return config_space.choice(list(parameter.choices))
    if isinstance(parameter, Integer):
        draw = config_space.lograndint if parameter.log else config_space.randint
        return draw(parameter.low, parameter.high)
    return (config_space.loguniform if parameter.log else config_space.uniform)(parameter.low, parameter.high)
