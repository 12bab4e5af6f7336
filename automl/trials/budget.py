"""Budget of a search: time and GPU-hours spent in all sessions, saved in the journal every minute; early abort."""

from collections.abc import Callable, Sequence
from itertools import islice
from math import inf
from pathlib import Path
from typing import Final

from automl.hpo import expected_gain
from automl.hpo.expected_gain import Rate
from automl.storage.journal import Journal
from automl.study import EndReason, State, Trial
from automl.study.errors import StudyError
from automl.study.ladder import WEIGHTS
from automl.study.spec import BudgetSpec, StudySpec

NOTE: Final = "seconds"
ENOUGH: Final = "enough"
"""Journal key of why a search ended before its budget was spent."""
NOTE_SECONDS: Final = 60.0
"""Save interval in seconds: a killed session loses at most this much of its time."""

MIN_FAILED_TO_ABORT: Final = 5
"""A study is aborted when its first N trials have all ended before any completed an epoch as requested."""

MAX_DATA_FAILURES: Final = 3
"""A study stops when its last N trials all failed because of their data."""

EXPORT_SHARE: Final = 0.05
"""Share of `budget.total_hours` that is reserved for export, evaluation and publication: a choice, not measured."""


class Spending:
    """Time and GPU-hours spent by one study."""

    def __init__(self, journal: Journal, budget: BudgetSpec, *, gpus: float, clock: Callable[[], float]) -> None:
        """Continue from the totals of earlier sessions; a trial uses `gpus`, which may be a fraction or 0."""
        self._journal = journal
        self.budget = budget
        self._gpus = gpus or 1.0
        self._clock = clock
        self._since = clock()
        with journal.interpreted():
            self._before = float(journal.notes().get(NOTE, 0.0))
        self._noted = self._before
        self._trained = 0.0
        self._enough = str(journal.notes().get(ENOUGH, ""))
        self._whole_before = self._before
        self._reserved = 0.0

    def seconds(self) -> float:
        """Return the wall-clock seconds of searching in all sessions."""
        return self._before + self._clock() - self._since

    def count_whole(self, seconds: float) -> None:
        """Record the wall-clock seconds of the whole job so far, all stages and sessions."""
        self._whole_before = seconds - (self._clock() - self._since)

    def reserve(self, seconds: float) -> None:
        """Reserve seconds of `budget.total_hours` for the confirmation; export has a fixed share in addition."""
        self._reserved = seconds

    def trained(self, seconds: float, *, gpus: float | None = None) -> None:
        """Add seconds of training, of a trial with other than the usual GPUs if given."""
        self._trained += seconds if gpus is None else seconds * (gpus or 1.0) / self._gpus
        if self.seconds() - self._noted >= NOTE_SECONDS:
            self.note()

    def note(self) -> None:
        """Save the time spent, so that a killed session counts towards the budget."""
        self._noted = self.seconds()
        self._journal.note(NOTE, self._noted)

    def seconds_left(self) -> float:
        """Return the wall-clock seconds left for the search; infinite without a limit, not negative."""
        hours, total = self.budget.hours, self.budget.total_hours
        of_search = inf if hours is None else hours * 3600 - self.seconds()
        return max(min(of_search, inf if total is None else self._left_of(total)), 0.0)

    def gpu_seconds_left(self) -> float:
        """Return the seconds of training left by `budget.gpu_hours`; infinite without it, not negative."""
        limit = self.budget.gpu_hours
        return inf if limit is None else max(limit * 3600 / self._gpus - self._trained, 0.0)

    def spent(self) -> str:
        """Return which budget is used up, empty if none is."""
        hours, gpu_hours, total = self.budget.hours, self.budget.gpu_hours, self.budget.total_hours
        if hours is not None and self.seconds() >= hours * 3600:
            return f"budget.hours {hours:g} spent"
        if self._enough:
            return self._enough
        if gpu_hours is not None and self._trained * self._gpus / 3600 >= gpu_hours:
            return f"budget.gpu_hours {gpu_hours:g} spent"
        if total is not None and self._left_of(total) <= 0:
            return f"budget.total_hours {total:g} spent but for confirmation and export"
        return ""

    @property
    def kind(self) -> EndReason:
        """Return why trials end once `spent` is not empty."""
        return EndReason.GAIN if self._enough and self.spent() == self._enough else EndReason.BUDGET

    def expect(self, spec: StudySpec, trials: Sequence[Trial], places: int) -> None:
        """End the search if the next hour's expected gain is below the least asked for, once a trial completed."""
        least = self.budget.min_gain_per_hour
        if least is None or spec.rate or self._enough or all(trial.state is not State.COMPLETED for trial in trials):
            return
        gain = expected_gain.next_hour(trials, metric=spec.metric, rate=rate_of(spec, places))
        if gain and gain.mean < least:
            self._enough = f"another hour: {gain} expected, below budget.min_gain_per_hour {least:g}"
            self._journal.note(ENOUGH, self._enough)

    def renew(self, budget: BudgetSpec) -> None:
        """Use a changed budget: what ended the search before its limits does so no more."""
        self.budget = budget
        if self._enough:
            self._enough = ""
            self._journal.note(ENOUGH, "")

    def _left_of(self, total: float) -> float:
        """Return the seconds of the whole time that are neither spent nor reserved."""
        spent = self._whole_before + self._clock() - self._since
        return total * 3600 * (1 - EXPORT_SHARE) - self._reserved - spent


def rate_of(spec: StudySpec, places: int) -> Rate:
    """Return how fast a study searches with so many trials at a time."""
    expected = spec.cost().expected / spec.budget.trials
    return Rate(places, spec.ladder.max_epochs, expected, fine_tuned=Path(spec.model).suffix == WEIGHTS)


def reason_to_abort(trials: Sequence[Trial], budget: int) -> str:
    """Return why a study of `budget` trials is aborted early, empty if it is not.

    Raises:
        StudyError: the last trials all failed because of their data, as more would; the study may be resumed.
    """
    _refuse_broken_data(trials)
    if any(trial.measurements and not trial.changed for trial in trials):
        return ""
    endings = [trial.ending for trial in trials if trial.ending and trial.ending.reason is not EndReason.CANCELED]
    if len(endings) < min(MIN_FAILED_TO_ABORT, budget):
        return ""
    return f"the first {len(endings)} trials all failed, the last with: {endings[-1].cause or endings[-1].pruned}"


def _refuse_broken_data(trials: Sequence[Trial]) -> None:
    last = [*islice((trial.ending for trial in reversed(trials) if trial.ending), MAX_DATA_FAILURES)]
    if len(last) == MAX_DATA_FAILURES and all(ending.reason is EndReason.DATA for ending in last):
        raise StudyError(
            f"the data set must be readable, but the last {MAX_DATA_FAILURES} trials failed because it is not, "
            f"the last with: {last[0].cause}; fix that, then resume the study"
        )
