"""Ultralytics' genetic tuner: `Tuner._mutate` itself, on a Tuner that trains nothing and keeps its results in memory.

As there: natural units whatever the space says of log, values rounded to five digits, every trial trained to the end,
its fitness the one of its best epoch, numbers only (a choice stays at its default). The first trial is the default;
while none has ended, others mutate the default at fitness 0, as its workers do that share a database.
"""

from importlib import import_module
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from automl.study import Answer, Params
from automl.study.space import Choice, Integer, SearchSpace
from automl.trainers.yolo.vendor import ultralytics
from benchmarks.rivals.search_settings import SearchSettings, existing, flat, flat_defaults

ultralytics()  # by the project's door, which shuts those to the network
Tuner = import_module("ultralytics.engine.tuner").Tuner


class Genetic:
    """Mutates the best of what has ended."""

    def __init__(self, settings: SearchSettings) -> None:
        self._space = settings.space
        self._random = np.random.default_rng(settings.seed)
        self.tuner, self._results = _tuner(settings.space)
        self._tried: list[dict[str, Any]] = []
        self._best: dict[int, float] = {}

    def next(self) -> tuple[int, Params] | None:
        """Mutate; None when the tuner finds nothing new, which ends its search there."""
        # The tuner takes its generator from here, unseeded.
        with mock.patch.object(np.random, "default_rng", return_value=self._random):
            try:
                tried = self.tuner._mutate()
            except RuntimeError:
                return None
        number = len(self._tried)
        if not number:
            self._results.append(self.tuner._result_record(0, 0.0, tried, {}))
        self._tried.append(tried)
        return number, existing(self._space, flat_defaults(self._space) | tried)

    def told(self, number: int, params: Params) -> None:
        """Put the numbers in the place of those mutated."""
        self._tried[number] = {name: params.get(name, value) for name, value in self._tried[number].items()}

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:  # noqa: ARG002
        """Always go on."""
        self._best[number] = max(value, self._best.get(number, 0.0))
        return Answer.CONTINUE

    def ended(self, number: int) -> None:
        """Put the trial among the results that are mutated."""
        if self._results[0]["iteration"] == 0:
            self._results.clear()
        fitness = self._best.pop(number, 0.0)
        self._results.append(self.tuner._result_record(number + 1, fitness, self._tried[number], {}))


def make(name: str, settings: SearchSettings) -> Genetic:  # noqa: ARG001
    """Return the one of this family."""
    return Genetic(settings)


def _tuner(space: SearchSpace) -> tuple[Any, list[dict[str, Any]]]:
    """Return a Tuner without a model, and the list that it reads in place of its file."""
    numbers = {name: p for name, p in flat(space).items() if not isinstance(p, Choice)}
    results: list[dict[str, Any]] = []
    tuner = Tuner.__new__(Tuner)
    tuner.space = {name: (parameter.low, parameter.high) for name, parameter in numbers.items()}
    tuner.args = SimpleNamespace(**{name: parameter.default for name, parameter in numbers.items()})
    tuner.mongodb = None
    tuner.prefix = ""
    tuner._load_local_results = lambda: results
    whole = [name for name, parameter in numbers.items() if isinstance(parameter, Integer)]

    def constrain(values: dict[str, float]) -> dict[str, float]:
        # Ultralytics rounds its own settings; a space of a benchmark has other names for whole numbers.
        constrained: dict[str, float] = Tuner._constrain(tuner, values)
        return constrained | {name: round(constrained[name]) for name in whole}

    tuner._constrain = constrain
    return tuner, results
