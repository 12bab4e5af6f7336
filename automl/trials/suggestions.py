"""Suggestions: new trials of a study, from the queue of a user first, then from the sampler."""

from collections.abc import Iterable
from dataclasses import dataclass

from automl.hpo.strategy import Strategy
from automl.storage.journal import Journal
from automl.study import Trial
from automl.study.space import SearchSpace
from automl.trials.enqueued import ORIGIN, Queue
from automl.trials.limits import Limits


@dataclass(frozen=True, slots=True)
class Suggestions:
    """Where the params of new trials come from."""

    journal: Journal
    strategy: Strategy
    queue: Queue
    limits: Limits

    def next(self, space: SearchSpace, count: int, running: Iterable[Trial], *, seed: int) -> Trial | None:
        """Return a new trial, recorded in the journal; None if too little of the budget is left for its first rung.

        `count` trials have begun; `seed` is that of trial 0. The baseline and the default come before the
        queue, and the baseline always starts.
        """
        queued = bool(self.queue) and count >= self.strategy.starts
        params, origin = (self.queue.first(), ORIGIN) if queued else self.strategy.draw()
        if count and not self.limits.admits(params, running):
            return None
        outside = origin == "baseline" and not space.contains(params)
        number = self.journal.suggested(params, space, seed=seed + count, origin=origin, outside=outside)
        if queued:
            self.queue.remove_first()
        return Trial(number, params, seed + count, outside=outside, origin=origin)
