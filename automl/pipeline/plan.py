"""Plan of a study and how it compared: epochs from the description, hours from the first rung of the baseline.

The hours are those of the search alone, since the number of re-trainings depends on its results. They are recorded in
the journal when trial 0 has reached its first rung: the mean of its epochs so far, its start included, times the epochs
of the plan, divided by the trainings at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.hpo.strategy import BASELINE
from automl.storage.journal import Journal
from automl.study import Ending, Trial
from automl.study.extension import history
from automl.study.spec import StudySpec
from automl.study.text import duration
from automl.trials.budget import EXPORT_SHARE
from automl.trials.job_clock import Elapsed, Stage
from automl.trials.remaining import waves, whole_training

NOTE: Final = "plan"
"""Journal key of the planned seconds of the search: least, expected, most."""


@dataclass(slots=True)
class Planner:
    """Listener that records the plan once."""

    journal: Journal
    spec: StudySpec
    places: int
    elapsed: Callable[[], Elapsed]
    """Time of the whole job."""

    def on_measurement(self, trial: Trial) -> None:
        """Record the plan when the baseline has reached its first rung."""
        if trial.number != BASELINE or trial.epoch != self.spec.ladder.first_rung or NOTE in self.journal.notes():
            return
        one = max(self.elapsed().searched, trial.seconds) / trial.epoch
        self.journal.note(NOTE, {"seconds": [round(value, 1) for value in hours_of(self.spec, one, self.places)]})

    def on_start(self, trial: Trial, folder: Path) -> None:
        """No-op."""

    def on_pause(self, trial: Trial) -> None:
        """No-op."""

    def on_loss(self, trial: Trial) -> None:
        """No-op."""

    def on_end(self, trial: Trial, ending: Ending) -> None:
        """No-op."""

    def close(self) -> None:
        """No-op."""


def hours_of(spec: StudySpec, epoch: float, places: int) -> tuple[float, float, float]:
    """Return the least, expected and most seconds of a search of epochs of `epoch` seconds, limits included."""
    cost, side_by_side = spec.cost(), max(1, min(places, spec.budget.trials))
    longest = spec.ladder.max_epochs
    limits = [hours * 3600 for hours in (spec.budget.hours, spec.budget.total_hours) if hours is not None]
    least, expected, most = (
        min([max(count / side_by_side, longest) * epoch, *limits]) for count in (cost.fewest, cost.expected, cost.most)
    )
    return least, expected, most


def no_time(spec: StudySpec, elapsed: Elapsed, trials: Sequence[Trial], count: int) -> str:
    """Return why a further round of `count` re-trainings does not start, empty if it may."""
    total, one = spec.budget.total_hours, whole_training(trials, metric=spec.metric, epochs=spec.ladder.max_epochs)
    if total is None or one is None or not elapsed.places:
        return ""
    left = total * 3600 * (1 - EXPORT_SHARE) - elapsed.seconds
    needed = waves(count, elapsed.places) * one
    if needed <= left:
        return ""
    return (
        f"no further round of the confirmation: {duration(max(left, 0.0))} of budget.total_hours {total:g} is left, "
        f"and {count} re-trainings need {duration(needed)}"
    )


def outcome(spec: StudySpec, trials: Sequence[Trial], notes: Mapping[str, Any], elapsed: Elapsed) -> list[str]:
    """Return how the plan of a finished study compared, as lines."""
    cost, trained = spec.cost(), sum(trial.epoch for trial in trials)
    changed = " of the changed budget" if any(k.startswith("budget.") for c in history(notes) for k in c.keys) else ""
    fewest, most = spec.retrainings
    planned = f"{fewest} to {most}" if fewest < most else f"{most}"
    lines = [
        f"plan{changed}: {cost.fewest} to {cost.most} epochs of search, about {cost.expected}, and {planned} "
        f"re-trainings; trained {trained} epochs and {elapsed.retrained} re-trainings"
    ]
    if plain := notes.get(NOTE):
        least, expected, longest = (duration(float(value)) for value in plain["seconds"])
        took = duration(elapsed.stages.get(Stage.SEARCH, 0.0))
        lines.append(f"plan of the search by its first {spec.ladder.first_rung} epochs, before any change of the "
                     f"budget: {least} to {longest}, about {expected}; it took {took}")  # fmt: skip
    return lines
