"""Asynchronous successive halving (ASHA), promotion-type and stopping-type: which trials advance at a rung.

Li et al. 2018, arXiv:1810.05934. Both compare the best value so far, and rank equal values by validation loss, then by
arrival. Pure; rebuilt from a journal by `restore`.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from automl.hpo.front_rung import FrontRung
from automl.study import Answer, EndReason
from automl.study.ladder import seats


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision at a rung."""

    answer: Answer
    reason: str
    kind: EndReason = EndReason.RUNG
    """Why the trial ends, if the answer is STOP."""


Place = tuple[float, float, int, int]
"""A trial at a rung, higher is better: value, negative loss, negative order of arrival, and its number."""


@dataclass(slots=True)
class Rung:
    """The trials that have reached an epoch, their values, and which of them advanced.

    Both orders are kept sorted, so that a decision among thousands of trials takes a binary search.
    """

    epoch: int
    entries: dict[int, Place] = field(default_factory=dict)
    """Maps a trial to its place, in the order of arrival."""
    advanced: set[int] = field(default_factory=set)
    _order: list[Place] = field(default_factory=list)
    """All places, worst first."""
    _open: list[Place] = field(default_factory=list)
    """Those of trials that neither advanced nor ended, worst first."""

    def add(self, trial: int, *, value: float, loss: float) -> None:
        """Add a trial; one that is there keeps its place."""
        if trial not in self.entries:
            place = self.entries[trial] = (value, -loss, -len(self.entries), trial)
            insort(self._order, place)
            insort(self._open, place)

    def advance(self, trial: int) -> None:
        """Record that a trial advanced."""
        self.advanced.add(trial)
        self.close(trial)

    def close(self, trial: int) -> None:
        """Record that a trial never advances from here, or has advanced."""
        if place := self.entries.get(trial):
            index = bisect_left(self._open, place)
            if index < len(self._open) and self._open[index] == place:
                del self._open[index]

    def rank(self, trial: int) -> int:
        """Return the rank of a trial, 1 for the best; ties in the order of arrival."""
        return len(self._order) - bisect_left(self._order, self.entries[trial])

    def paused(self) -> Iterator[int]:
        """Yield the trials that neither advanced nor ended, best first."""
        for place in reversed(self._open):
            yield place[-1]

    def described(self, trial: int, *, places: int, factor: int) -> str:
        """Return the rank of a trial, and the value of the last of the `places` that advance, as text."""
        rank = self.rank(trial)
        text = f"rank {rank} of {len(self._order)}"
        if not places:
            return f"{text}, the first of {factor} advances"
        last, own = self._order[-places], self.entries[trial]
        tie = " (equal: val/loss decides)" if rank > places and last[0] == own[0] else ""
        return f"{text}, top {places} from {last[0]:.4f}{tie}"


class Scheduler(ABC):
    """Scheduler: the rungs of a study. The default methods are those of a scheduler that never pauses a trial."""

    def __init__(
        self, epochs: tuple[int, ...], reduction_factor: int, *, cost: Callable[[int], float] | None = None
    ) -> None:
        """Create the rungs at `epochs`, in ascending order.

        With a second objective `cost` returns that of a trial; None: trials are ranked by value alone.
        """
        self._rungs = {epoch: FrontRung(epoch, cost) if cost else Rung(epoch) for epoch in epochs}
        self._factor = reduction_factor

    @abstractmethod
    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Decision:
        """Decide on a trial at the rung of `epoch`; `value` is its best so far, higher is better.

        Idempotent per trial and rung.
        """

    @abstractmethod
    def places(self, entries: int) -> int:
        """Return how many of the trials at a rung may advance."""

    def described(self, trial: int) -> str:
        """Return the rank of a trial at the highest rung that it has reached, as text."""
        rung = next(rung for rung in reversed(self._rungs.values()) if trial in rung.entries)
        return self._standing(rung, trial)

    def _standing(self, rung: Rung | FrontRung, trial: int) -> str:
        return rung.described(trial, places=self.places(len(rung.entries)), factor=self._factor)

    def advance_next(self) -> int | None:
        """Advance the next paused trial and return its number; None without one."""
        return None

    def next_to_advance(self) -> int | None:
        """Return the paused trial that `advance_next` would advance; it stays paused."""
        return None

    def can_advance(self) -> bool:
        """Return True if a paused trial may advance."""
        return self.next_to_advance() is not None

    def leader(self) -> int | None:
        """Return the best paused trial of the highest rung, None if none is paused."""
        return None

    def advance_leader(self) -> int | None:
        """Advance the leader regardless of its rank, and return it."""
        return None

    def restore(self, trial: int, *, epoch: int, score: tuple[float, float], advanced: bool) -> None:
        """Restore a trial's value and loss at a rung from an earlier session, and whether it advanced."""
        value, loss = score
        self._rungs[epoch].add(trial, value=value, loss=loss)
        if advanced:
            self._rungs[epoch].advance(trial)

    def drop(self, trial: int) -> None:  # noqa: B027
        """Record that a trial has ended."""


class PausingAsha(Scheduler):
    """Promotion-type ASHA: trials pause at each rung; the best of the top 1 / `reduction_factor` advance.

    Of n trials at a rung, the best floor(n / reduction_factor) may advance, one whenever a worker is free. A trial that
    would advance next is not paused.
    """

    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Decision:
        """Return PAUSE, or CONTINUE for the trial that would advance next."""
        rung = self._rungs[epoch]
        rung.add(trial, value=value, loss=loss)
        if next(((at.epoch, first) for at, first in self._advanceable()), None) == (epoch, trial):
            rung.advance(trial)
        reason = self._standing(rung, trial)
        if trial in rung.advanced:
            return Decision(Answer.CONTINUE, reason)
        first = rung.rank(trial) <= self.places(len(rung.entries))
        return Decision(Answer.PAUSE, f"{reason}, another is first" if first else reason)

    def places(self, entries: int) -> int:
        """Return floor(n / reduction_factor)."""
        return entries // self._factor

    def advance_next(self) -> int | None:
        """Advance the best paused trial that may advance, highest rung first, and return it."""
        for rung, trial in self._advanceable():
            rung.advance(trial)
            return trial
        return None

    def next_to_advance(self) -> int | None:
        """Return the best paused trial that may advance."""
        return next((trial for _, trial in self._advanceable()), None)

    def leader(self) -> int | None:
        """Return the best paused trial of the highest rung that has any."""
        return next((trial for _, trial in self._paused()), None)

    def advance_leader(self) -> int | None:
        """Advance the leader: a small study completes at least one trial."""
        for rung, trial in self._paused():
            rung.advance(trial)
            return trial
        return None

    def _paused(self) -> Iterator[tuple[Rung | FrontRung, int]]:
        for rung in reversed(self._rungs.values()):
            for trial in rung.paused():
                yield rung, trial

    def drop(self, trial: int) -> None:
        """Record that a trial has ended: it never advances."""
        for rung in self._rungs.values():
            rung.close(trial)

    def _advanceable(self) -> Iterator[tuple[Rung | FrontRung, int]]:
        """Yield the best paused trial of each rung if it is among those that may advance, highest rung first."""
        for rung in reversed(self._rungs.values()):
            best = next(rung.paused(), None)
            if best is not None and rung.rank(best) <= self.places(len(rung.entries)):
                yield rung, best


class StoppingAsha(Scheduler):
    """Stopping-type ASHA: stop a trial that is not in the best ceil(n / `reduction_factor`) when it reaches a rung."""

    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Decision:
        """Return CONTINUE or STOP; of tied trials the earlier one ranks higher."""
        rung = self._rungs[epoch]
        if trial not in rung.entries:
            rung.add(trial, value=value, loss=loss)
            if rung.rank(trial) <= self.places(len(rung.entries)):
                rung.advance(trial)
        return Decision(Answer.CONTINUE if trial in rung.advanced else Answer.STOP, self._standing(rung, trial))

    def places(self, entries: int) -> int:
        """Return ceil(n / reduction_factor)."""
        return seats(entries, self._factor)


KINDS: Final[Mapping[str, type[Scheduler]]] = {"promotion": PausingAsha, "stopping": StoppingAsha}
