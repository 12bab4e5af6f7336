"""Rung of a search with a second objective: trials are ranked by Pareto fronts of accuracy against cost.

Among trials of one cost the order is that of accuracy alone. The cost is known before a trial begins.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from automl.hpo import pareto
from automl.hpo.pareto import Quality


@dataclass(slots=True)
class FrontRung:
    """The trials that have reached an epoch; see `asha.Rung`, whose methods it has."""

    epoch: int
    cost: Callable[[int], float]
    """Returns what a trial's structure costs."""
    entries: dict[int, Quality] = field(default_factory=dict)
    """Maps a trial to value, negative loss and negative order of arrival."""
    advanced: set[int] = field(default_factory=set)
    _closed: set[int] = field(default_factory=set)
    _ranks: dict[int, int] = field(default_factory=dict)
    """Maps a trial to its rank, in the order of the ranks; empty when it must be computed again."""

    def add(self, trial: int, *, value: float, loss: float) -> None:
        """Add a trial; one that is there keeps its place."""
        if trial not in self.entries:
            self.entries[trial] = (value, -loss, -len(self.entries))
            self._ranks = {}

    def advance(self, trial: int) -> None:
        """Record that a trial advanced."""
        self.advanced.add(trial)
        self.close(trial)

    def close(self, trial: int) -> None:
        """Record that a trial never advances from here, or has advanced."""
        if trial in self.entries:
            self._closed.add(trial)

    def rank(self, trial: int) -> int:
        """Return the rank of a trial, 1 for the best."""
        return self._ranked()[trial]

    def paused(self) -> Iterator[int]:
        """Yield the trials that neither advanced nor ended, best first."""
        yield from (trial for trial in self._ranked() if trial not in self._closed)

    def described(self, trial: int, *, places: int, factor: int) -> str:
        """Return the rank of a trial and how many advance, as text."""
        text = f"rank {self.rank(trial)} of {len(self.entries)} by fronts of value against cost"
        return f"{text}, top {places}" if places else f"{text}, the first of {factor} advances"

    def _ranked(self) -> dict[int, int]:
        if not self._ranks:
            trials = [*self.entries]
            order = pareto.ranking([(self.cost(trial), self.entries[trial]) for trial in trials])
            self._ranks = {trials[index]: rank for rank, index in enumerate(order, 1)}
        return self._ranks
