"""Who goes on at a rung: asynchronous successive halving (ASHA), promotion-type and stopping-type.

Li et al. 2018, arXiv:1810.05934. Both compare the best value so far, and rank equal values by validation loss, then by
arrival. Pure: facts in, answers out; rebuilt from a journal by `restore`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, Protocol

from automl.records import Answer
from automl.rungs import seats


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer at a rung."""

    answer: Answer
    reason: str


class Scheduler(Protocol):
    """What both kinds offer."""

    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Verdict:
        """Judge a trial that stands at the rung of `epoch` with `value`: best so far, higher is better.

        Asked again, it gives the first answer.
        """
        ...

    def next(self) -> int | None:
        """Return the paused trial that goes on now, None while none may."""
        ...

    def waits(self) -> bool:
        """Tell whether a paused trial may go on."""
        ...

    def lead(self) -> int | None:
        """Return the paused trial that got furthest, the best of these, and let it go on though no law does."""
        ...

    def restore(self, trial: int, *, epoch: int, standing: tuple[float, float], advanced: bool) -> None:
        """Take in what a trial stood with (value, loss) in an earlier session, and whether it went on."""
        ...

    def drop(self, trial: int) -> None:
        """Take in that a trial has ended."""
        ...


@dataclass(slots=True)
class Rung:
    """The trials that have reached an epoch: what each stands with, and which went on."""

    epoch: int
    standing: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Trial to value and negative loss; in the order of arrival."""
    advanced: set[int] = field(default_factory=set)

    def ranked(self) -> list[int]:
        """Return the trials, best first; equal ones in the order of arrival."""
        return sorted(self.standing, key=self.standing.__getitem__, reverse=True)

    def place(self, trial: int) -> int:
        """Return a trial's place, 1 for the best."""
        return self.ranked().index(trial) + 1

    def told(self, trial: int) -> str:
        """Return a trial's standing against the last one that advances, in words."""
        return f"rank {self.place(trial)} of {len(self.standing)} at epoch {self.epoch}"


def _rungs(epochs: tuple[int, ...]) -> dict[int, Rung]:
    return {epoch: Rung(epoch) for epoch in epochs}


class Promotion:
    """Each trial pauses at each rung; the best of the top 1 / `reduction_factor` goes on when there is room.

    Of n trials at a rung, the best floor(n / reduction_factor) may advance, each when a worker is free. The one that is
    next to go on anyway is not paused.
    """

    def __init__(self, epochs: tuple[int, ...], reduction_factor: int) -> None:
        """Open the rungs at `epochs`, in rising order."""
        self._rungs = _rungs(epochs)
        self._factor = reduction_factor
        self._ended: set[int] = set()

    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Verdict:
        """Answer PAUSE, or GO_ON to the one that is next."""
        rung = self._rungs[epoch]
        rung.standing.setdefault(trial, (value, -loss))
        if next(self._promotable(), None) == (rung, trial):
            rung.advanced.add(trial)
        return Verdict(Answer.GO_ON if trial in rung.advanced else Answer.PAUSE, rung.told(trial))

    def next(self) -> int | None:
        """Return the best paused trial that may advance, from the highest rung down."""
        for rung, trial in self._promotable():
            rung.advanced.add(trial)
            return trial
        return None

    def waits(self) -> bool:
        """Tell whether a paused trial may advance."""
        return any(True for _ in self._promotable())

    def lead(self) -> int | None:
        """Return the best paused trial of the highest rung that has any: a small study completes one all the same."""
        for rung in reversed(self._rungs.values()):
            for trial in rung.ranked():
                if trial not in rung.advanced and trial not in self._ended:
                    rung.advanced.add(trial)
                    return trial
        return None

    def restore(self, trial: int, *, epoch: int, standing: tuple[float, float], advanced: bool) -> None:
        """Take in a standing of an earlier session."""
        value, loss = standing
        self._rungs[epoch].standing[trial] = (value, -loss)
        if advanced:
            self._rungs[epoch].advanced.add(trial)

    def drop(self, trial: int) -> None:
        """Never let it go on."""
        self._ended.add(trial)

    def _promotable(self) -> Iterator[tuple[Rung, int]]:
        for rung in reversed(self._rungs.values()):
            for trial in rung.ranked()[: len(rung.standing) // self._factor]:
                if trial not in rung.advanced and trial not in self._ended:
                    yield rung, trial


class Stopping:
    """A trial that is not among the best ceil(n / `reduction_factor`) when it reaches a rung is stopped for good."""

    def __init__(self, epochs: tuple[int, ...], reduction_factor: int) -> None:
        """Open the rungs at `epochs`, in rising order."""
        self._rungs = _rungs(epochs)
        self._factor = reduction_factor

    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Verdict:
        """Answer GO_ON or STOP. A tie is no progress: an earlier trial of the same standing stays ahead."""
        rung = self._rungs[epoch]
        if trial not in rung.standing:
            rung.standing[trial] = (value, -loss)
            if rung.place(trial) <= seats(len(rung.standing), self._factor):
                rung.advanced.add(trial)
        return Verdict(Answer.GO_ON if trial in rung.advanced else Answer.STOP, rung.told(trial))

    def next(self) -> int | None:
        """Return None: nothing is paused."""
        return None

    def waits(self) -> bool:
        """Return False: nothing is paused."""
        return False

    def lead(self) -> int | None:
        """Return None: nothing is paused."""
        return None

    def restore(self, trial: int, *, epoch: int, standing: tuple[float, float], advanced: bool) -> None:
        """Take in a standing of an earlier session."""
        value, loss = standing
        self._rungs[epoch].standing[trial] = (value, -loss)
        if advanced:
            self._rungs[epoch].advanced.add(trial)

    def drop(self, trial: int) -> None:
        """Nothing to do: its standing stays what it is."""


KINDS: Final[Mapping[str, Callable[[tuple[int, ...], int], Scheduler]]] = {"promotion": Promotion, "stopping": Stopping}
