"""Pace of the trials: seconds of a start and of an epoch, learned by structure (model, image size, batch).

A start is the wall-clock time from the assignment of a job to its first new epoch, without that epoch. Epochs count as
measured, validations included. A structure without an epoch has the mean of all others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from automl.study import Params, ParamValue

COSTLY: Final = ("model", "imgsz", "batch", "multi_scale")
"""Parameters that change the time of an epoch."""
Structure = tuple[tuple[str, ParamValue], ...]


def structure_of(params: Params) -> Structure:
    """Return the parameters of a trial that change the time of an epoch, and its needs.

    >>> structure_of({"lr0": 0.01, "imgsz": 640, "batch": 16})
    (('imgsz', 640), ('batch', 16))
    """
    return tuple((name, params[name]) for name in COSTLY if name in params)


@dataclass(slots=True)
class Mean:
    """Running mean."""

    total: float = 0.0
    count: int = 0

    def add(self, total: float, count: int = 1) -> None:
        """Add a value, or the total of so many."""
        self.total, self.count = self.total + total, self.count + count

    @property
    def value(self) -> float:
        """Return the mean, 0 without a value."""
        return self.total / self.count if self.count else 0.0


class Pace:
    """Seconds of starts and epochs so far."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Start without any; the clock is in seconds."""
        self._clock = clock
        self._epochs: dict[Structure, Mean] = {}
        self._all, self._starts = Mean(), Mean()
        self._started: dict[int, float] = {}

    def started(self, number: int) -> None:
        """Record that a job was assigned to a worker."""
        self._started[number] = self._clock()

    def measured(self, number: int, params: Params, seconds: float) -> None:
        """Record an epoch; the first one after a start also measures the start."""
        self.add(params, seconds)
        if (since := self._started.pop(number, None)) is not None:
            self._starts.add(max(self._clock() - since - seconds, 0.0))

    def add(self, params: Params, seconds: float, epochs: int = 1) -> None:
        """Record the seconds of an epoch, or of several together, of this or an earlier session."""
        self._epochs.setdefault(structure_of(params), Mean()).add(seconds, epochs)
        self._all.add(seconds, epochs)

    @property
    def start(self) -> float:
        """Return the mean seconds of a start, 0 before any."""
        return self._starts.value

    def epoch(self, params: Params) -> float | None:
        """Return the seconds of an epoch of these params; None before any epoch."""
        if not self._all.count:
            return None
        return self._epochs.get(structure_of(params), self._all).value

    def seconds(self, params: Params, epochs: int) -> float | None:
        """Return the wall-clock seconds of a start and some epochs of these params; None before any epoch."""
        one = self.epoch(params)
        return None if one is None else self._starts.value + epochs * one
