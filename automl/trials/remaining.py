"""Time left of a whole job: the rest of the search and the confirmation. Unknown at first.

The search is assumed to continue at the pace of its trials so far; a re-training validates every epoch, so its epochs
are assumed to take as long as validated ones did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from statistics import mean
from typing import Final

from automl.study import Trial
from automl.study.spec import BudgetSpec, StudySpec
from automl.study.text import duration
from automl.trials.job_clock import Elapsed, Stage

LEAST_SHOWN: Final = 0.5
"""Shorter times would be shown as 0 s."""


def left(spec: StudySpec, trials: Sequence[Trial], elapsed: Elapsed, *, done: int) -> tuple[float, float] | None:
    """Return the fewest and the most seconds left; `done` trials have ended or pause. None: unknown, or none are left.

    After the search it counts complete re-trainings: progress within running ones is ignored.
    """
    if elapsed.finished or elapsed.stage == Stage.EXPORT:
        return None
    whole = whole_training(trials, metric=spec.metric, epochs=spec.ladder.max_epochs)
    if whole is None or not elapsed.places or not done:
        return None
    fewest, most = (max(count - elapsed.retrained, 0) for count in spec.retrainings)
    search = 0.0 if elapsed.stage == Stage.CONFIRM else _search_left(spec.budget, elapsed, done)
    return search + waves(fewest, elapsed.places) * whole, search + waves(most, elapsed.places) * whole


def reserved(spec: StudySpec, trials: Sequence[Trial], places: int, *, start: float) -> float:
    """Return the seconds of the fewest re-trainings, each with its `start`; 0 before the first validated epoch."""
    whole = whole_training(trials, metric=spec.metric, epochs=spec.ladder.max_epochs)
    return 0.0 if whole is None or not places else waves(spec.retrainings[0], places) * (start + whole)


def _search_left(budget: BudgetSpec, elapsed: Elapsed, done: int) -> float:
    seconds = elapsed.searched / done * max(budget.trials - done, 0)
    if budget.hours is not None:
        seconds = min(seconds, max(budget.hours * 3600 - elapsed.searched, 0.0))
    if budget.total_hours is not None:
        seconds = min(seconds, max(budget.total_hours * 3600 - elapsed.seconds, 0.0))
    return seconds


def whole_training(trials: Sequence[Trial], *, metric: str, epochs: int) -> float | None:
    """Return the seconds of a training with all epochs validated, by the validated epochs so far; None before any.

    Only trials that will be retrained count: that of the default params and the best so far.
    """
    best = max(trials, key=lambda trial: trial.best(metric) or 0.0, default=None)
    asked = {trial.number: trial for trial in (*trials[:1], best) if trial}
    validated = [[m.seconds for m in trial.measurements if metric in m.metrics] for trial in asked.values()]
    found = [mean(seconds) for seconds in validated if seconds]
    return mean(found) * epochs if found else None


def waves(count: int, places: int) -> int:
    """Return the number of sequential waves in which `count` trainings run.

    >>> waves(6, 4)
    2
    """
    return ceil(count / places)


def summary(ends: tuple[float, float] | None) -> str:
    """Return the time left as text, empty if unknown or none.

    >>> summary((1200, 2700)), summary((59.6, 60.1)), summary((0, 0))
    ('about 20m00s to 45m00s left', 'about 1m00s left', '')
    """
    if ends is None or ends[1] < LEAST_SHOWN:
        return ""
    low, high = (duration(seconds) for seconds in ends)
    return f"about {high} left" if low == high else f"about {low} to {high} left"


@dataclass(slots=True)
class Confirmation:
    """Title of the table of re-trainings: number ended, elapsed time and time left."""

    retrainings: tuple[int, int]
    """The fewest and the most."""
    epochs: int
    """Epochs of each."""
    elapsed: Callable[[], Elapsed]
    whole: float | None
    """Seconds of a full training, estimated from the trials; None if unknown."""
    _seconds: list[float] = field(default_factory=list)

    def measured(self, seconds: float) -> None:
        """Record the seconds of an epoch of a re-training."""
        self._seconds.append(seconds)

    def title(self, running: Mapping[int, int], *, queued: int) -> str:
        """Return the title; `running` maps the re-trainings that run to their epochs done, `queued` others wait."""
        now, (fewest, most) = self.elapsed(), self.retrainings
        pending = len(running) + queued
        planned = f"{fewest} to {most}" if fewest < most else f"{most}"
        parts = [f"confirming on fresh seeds: {now.retrained} of {planned} re-trainings ended", duration(now.seconds)]
        whole = mean(self._seconds) * self.epochs if self._seconds else self.whole
        if whole is not None and now.places:
            share = mean(running.values()) / self.epochs if running else 0.0
            ends = [waves(max(count - now.retrained, pending), now.places) - share for count in (fewest, most)]
            parts.append(summary((max(ends[0], 0.0) * whole, max(ends[1], 0.0) * whole)))
        return ", ".join(part for part in parts if part)
