"""What a sampler has recorded of each trial, and of all of them what a suggestion needs, kept up to date."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from typing import Self

import numpy as np
from numpy.typing import NDArray

from automl.hpo.sampler.encoding import Points, Vector
from automl.study import Measurement


@dataclass(slots=True)
class ObservedTrial:
    """The sampler's record of a trial."""

    point: Points
    values: "array[float]" = field(default_factory=lambda: array("d"))
    """One an epoch; NaN where it was not validated."""
    best: float = -inf
    """The best value so far."""
    seconds: float = 0.0
    """Of all epochs."""
    runs: bool = True
    infeasible: bool = False
    outside: bool = False
    """Its params are outside the space, so the model does not use it."""
    key: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Compute the key once."""
        (self.key,) = keys(self.point[None])

    def record(self, measurements: Iterable[Measurement], metric: str) -> None:
        """Record epochs; one that was not validated has no value."""
        best, seconds = self.best, self.seconds
        append = self.values.append
        for measurement in measurements:
            value = measurement.metrics.get(metric, nan)
            append(value)
            if best < value < inf:
                best = value
            seconds += measurement.seconds
        self.best, self.seconds = best, seconds

    @property
    def has_value(self) -> bool:
        """Return True if it has a value."""
        return not (self.infeasible or self.outside) and self.best > -inf

    @property
    def pending(self) -> bool:
        """Return True if it is pending: no value yet."""
        return self.runs and not (self.has_value or self.outside)

    @property
    def epoch_seconds(self) -> float:
        """Return the mean seconds of an epoch."""
        return max(self.seconds / len(self.values), 1e-6)


class Observations(Mapping[int, ObservedTrial]):
    """All trials by number, from 0 without gaps.

    A suggestion among thousands of trials looks at those that changed since the last one.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._trials: dict[int, ObservedTrial] = {}
        self._keys: set[bytes] = set()
        self._changed: set[int] = set()
        self._bests: Vector = np.full(64, nan)
        """The best value of each trial that has one, else NaN; longer than there are trials."""
        self._others: set[int] = set()
        """The trials without a value."""

    @classmethod
    def of(cls, trials: Sequence[ObservedTrial]) -> Self:
        """Return trials, numbered in their order."""
        made = cls()
        for number, trial in enumerate(trials):
            made.add(number, trial)
        return made

    def __getitem__(self, number: int) -> ObservedTrial:
        """Return a trial; call `changed` after a change."""
        return self._trials[number]

    def __iter__(self) -> Iterator[int]:
        """Yield the numbers."""
        return iter(self._trials)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._trials)

    def add(self, number: int, trial: ObservedTrial) -> None:
        """Add a trial."""
        self._trials[number] = trial
        self._keys.add(trial.key)
        self._changed.add(number)

    def changed(self, number: int) -> None:
        """Note that a trial has changed."""
        self._changed.add(number)

    def known(self) -> set[bytes]:
        """Return the keys of all points."""
        return set(self._keys)

    def bests(self) -> tuple[NDArray[np.int64], Vector]:
        """Return the numbers of the trials that have a value, ascending, and their best values."""
        self._update()
        bests = self._bests[: len(self._trials)]
        there = np.flatnonzero(~np.isnan(bests))
        return there, bests[there]

    def others(self) -> list[ObservedTrial]:
        """Return the trials without a value, by number."""
        self._update()
        return [self._trials[number] for number in sorted(self._others)]

    def _update(self) -> None:
        while len(self._bests) < len(self._trials):
            self._bests = np.concatenate([self._bests, np.full(len(self._bests), nan)])
        for number in self._changed:
            trial = self._trials[number]
            there = trial.has_value
            self._bests[number] = trial.best if there else nan
            (self._others.discard if there else self._others.add)(number)
        self._changed.clear()


def keys(points: Points) -> list[bytes]:
    """Return a hashable key of each point; the sum turns -0.0 into 0.0."""
    return [row.tobytes() for row in np.round(points, 9) + 0.0]
