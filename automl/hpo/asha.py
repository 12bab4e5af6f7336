"""Who goes on at a rung: asynchronous successive halving (ASHA), promotion-type and stopping-type.

Li et al. 2018, arXiv:1810.05934. Both compare the best value so far, and rank equal values by validation loss, then by
arrival. Pure: facts in, answers out; rebuilt from a journal by `restore`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from automl.study import Answer
from automl.study.ladder import seats


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer at a rung."""

    answer: Answer
    reason: str


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
        """Return a trial's place in words."""
        return f"rank {self.place(trial)} of {len(self.standing)} at epoch {self.epoch}"


class Scheduler(ABC):
    """The rungs of a study. What only one kind does, the other answers with nothing: none is paused."""

    def __init__(self, epochs: tuple[int, ...], reduction_factor: int) -> None:
        """Open the rungs at `epochs`, in rising order."""
        self._rungs = {epoch: Rung(epoch) for epoch in epochs}
        self._factor = reduction_factor

    @abstractmethod
    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Verdict:
        """Judge a trial that stands at the rung of `epoch` with `value`: best so far, higher is better.

        Asked again, it gives the first answer.
        """

    def next(self) -> int | None:
        """Return the paused trial that goes on now, None while none may."""
        return None

    def upcoming(self) -> int | None:
        """Return the paused trial that goes on next, and leave it as it is."""
        return None

    def waits(self) -> bool:
        """Return True if a paused trial may go on."""
        return self.upcoming() is not None

    def leader(self) -> int | None:
        """Return the paused trial that got furthest, the best of these."""
        return None

    def lead(self) -> int | None:
        """Return the leader, and let it go on though no law does."""
        return None

    def restore(self, trial: int, *, epoch: int, standing: tuple[float, float], advanced: bool) -> None:
        """Record what a trial stood with (value, loss) in an earlier session, and whether it went on."""
        value, loss = standing
        self._rungs[epoch].standing[trial] = (value, -loss)
        if advanced:
            self._rungs[epoch].advanced.add(trial)

    def drop(self, trial: int) -> None:  # noqa: B027
        """Record that a trial has ended."""


class Promotion(Scheduler):
    """Each trial pauses at each rung; the best of the top 1 / `reduction_factor` goes on when there is room.

    Of n trials at a rung, the best floor(n / reduction_factor) may advance, each when a worker is free. The one that is
    next to go on anyway is not paused.
    """

    def __init__(self, epochs: tuple[int, ...], reduction_factor: int) -> None:
        """Open the rungs at `epochs`, in rising order."""
        super().__init__(epochs, reduction_factor)
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

    def upcoming(self) -> int | None:
        """Return the best paused trial that may advance."""
        return next((trial for _, trial in self._promotable()), None)

    def leader(self) -> int | None:
        """Return the best paused trial of the highest rung that has any."""
        return next((trial for _, trial in self._paused()), None)

    def lead(self) -> int | None:
        """Let it go on: a small study completes one all the same."""
        for rung, trial in self._paused():
            rung.advanced.add(trial)
            return trial
        return None

    def _paused(self) -> Iterator[tuple[Rung, int]]:
        for rung in reversed(self._rungs.values()):
            for trial in rung.ranked():
                if trial not in rung.advanced and trial not in self._ended:
                    yield rung, trial

    def drop(self, trial: int) -> None:
        """Never let it go on."""
        self._ended.add(trial)

    def _promotable(self) -> Iterator[tuple[Rung, int]]:
        for rung in reversed(self._rungs.values()):
            for trial in rung.ranked()[: len(rung.standing) // self._factor]:
                if trial not in rung.advanced and trial not in self._ended:
                    yield rung, trial


class Stopping(Scheduler):
    """A trial that is not among the best ceil(n / `reduction_factor`) when it reaches a rung is stopped for good."""

    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Verdict:
        """Answer GO_ON or STOP. A tie is no progress: an earlier trial of the same standing stays ahead."""
        rung = self._rungs[epoch]
        if trial not in rung.standing:
            rung.standing[trial] = (value, -loss)
            if rung.place(trial) <= seats(len(rung.standing), self._factor):
                rung.advanced.add(trial)
        return Verdict(Answer.GO_ON if trial in rung.advanced else Answer.STOP, rung.told(trial))


KINDS: Final[Mapping[str, type[Scheduler]]] = {"promotion": Promotion, "stopping": Stopping}
