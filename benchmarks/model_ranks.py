"""Rungs that rank trials by the sampler's model in place of their values.

Promotion-type ASHA as the product has it, but of the trials at a rung those with the highest posterior mean at their
params advance: it knows their own values and those of similar trials, so that a lucky look counts less. Not in the
product: benchmarks/README.md tells how it compares.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from automl.hpo.asha import Rung
from automl.hpo.front_rung import FrontRung
from automl.hpo.sampler.acquisition import Proposal
from benchmarks.ours import Ours, Start
from benchmarks.tables import Task

FEWEST: Final = 6
"""Trials with a value before the model is asked."""


class ModelRanks(Ours):
    """The project's sampler with another order at the rungs."""

    def __init__(self, task: Task, *, seed: int, start: Start) -> None:
        super().__init__(task, seed=seed, start=start)
        self._sampler = self._strategy._sampler
        self._scheduler = self._strategy._scheduler
        self._scheduler._advanceable = self._advanceable  # type: ignore[attr-defined]

    def _advanceable(self) -> Iterator[tuple[Rung | FrontRung, int]]:
        """Yield the best paused trial of each rung if it is among those that may advance, highest rung first."""
        for rung in reversed(self._scheduler._rungs.values()):
            waiting = list(rung.paused())
            if not waiting:
                continue
            worth = self._worth(rung)
            best = max(waiting, key=lambda number: worth[number])
            rank = 1 + sum(worth[number] > worth[best] for number in rung.entries)
            if rank <= self._scheduler.places(len(rung.entries)):
                yield rung, best

    def _worth(self, rung: Rung | FrontRung) -> Mapping[int, float]:
        """Return what the trials of a rung are ranked by."""
        numbers, sampler = list(rung.entries), self._sampler
        if sum(one.has_value for one in sampler._seen.values()) < FEWEST:
            return {number: -rung.rank(number) for number in numbers}
        if sampler._proposal is None:
            sampler._proposal = Proposal(
                sampler._encoding, sampler._seen, sampler._transfer, sampler._max_epochs, lengths=sampler._lengths
            )
        points, model = np.array([sampler._seen[number].point for number in numbers]), sampler._proposal
        model._condition()
        means = model._model.predict(points)[0] + model._expected(points)
        return dict(zip(numbers, means.tolist(), strict=True))
