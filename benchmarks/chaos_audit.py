"""What a study lost, by its own folder: what was trained stands in each trial's log, what is known in the journal."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from automl.storage.curves_file import read_curves
from automl.storage.journal import Journal
from automl.storage.layout import trial_folder
from automl.storage.place import read_spec
from automl.study import State, Trial

BEGUN = re.compile(r"^attempt (\d+): epoch (\d+) of \d+ begins$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Audit:
    """What was lost."""

    trials: int
    """Trials in the journal."""
    trials_lost: int
    """Trials and re-trainings that failed or never ended."""
    epochs_repeated: tuple[int, ...]
    """How many epochs were begun again, for each time that a trial went on."""
    measurements_lost: int
    """Epochs that a trial trained and the journal does not know."""


def audit(folder: Path) -> Audit:
    """Look at a study that has ended."""
    spec = read_spec(folder)
    journal = Journal.read(folder, metric=spec.metric)
    trials, notes = journal.trials(), journal.notes()
    places = [trial_folder(folder, trial, spec.model) for trial in trials]
    failed = sum(trial.state is State.FAILED or not trial.ending for trial in trials)
    failed += sum(key.startswith("confirm:") and not note["final"] for key, note in notes.items())
    logs = [*(place / "log.txt" for place in places), *folder.glob("confirm/*/log.txt")]
    repeated = [count for log in logs if log.exists() for count in repeats(log.read_text(errors="replace"))]
    lost = sum(_unknown(trial, place) for trial, place in zip(trials, places, strict=True))
    return Audit(len(trials), failed, tuple(repeated), lost)


def begun(log: str) -> list[tuple[int, int]]:
    """Return attempt and epoch of each epoch that a log says was begun."""
    return [(int(attempt), int(epoch)) for attempt, epoch in BEGUN.findall(log)]


def repeats(log: str) -> list[int]:
    r"""Return how many epochs each later attempt began that an earlier one had begun.

    >>> repeats("attempt 1: epoch 1 of 9 begins\nattempt 1: epoch 2 of 9 begins\nattempt 3: epoch 2 of 9 begins\n")
    [1]
    """
    spans: dict[int, list[int]] = {}
    for attempt, epoch in begun(log):
        spans.setdefault(attempt, []).append(epoch)
    ordered: Sequence[list[int]] = [spans[attempt] for attempt in sorted(spans)]
    return [max(0, before[-1] - after[0] + 1) for before, after in pairwise(ordered)]


def _unknown(trial: Trial, place: Path) -> int:
    known = {measurement.epoch for measurement in trial.measurements}
    trained = {measurement.epoch for measurement in read_curves(place)}
    return len(trained | set(range(1, trial.epoch + 1))) - len(known)
