"""Live studies: the journal is followed line by line; of a change only the rows of changed trials are returned.

One reader serves all browsers of a study. What is slow (findings, messages, forecasts) is read every few seconds and
apart (`refresh_slow`), so that it delays no row.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL, trial_folder
from automl.storage.place import read_spec
from automl.study import State, Trial
from automl.study.errors import AutomlError
from automl.study.spec import StudySpec
from automl.study.text import shown
from automl.tracking import status, study_status
from automl.tracking.study_status import StudyStatus
from automl.trials import heartbeat, remaining
from automl.trials.heartbeat import Beat
from automl.trials.job_clock import Elapsed

FAST_SECONDS: Final = 0.15
SLOW_SECONDS: Final = 5.0
BEAT_SECONDS: Final = 2.0

Rung = dict[str, int | float | None]
Row = dict[str, Any]
"""A trial: number, state, epoch, value, seconds, params, reason, and `curve`, the objective by epoch."""


@dataclass(slots=True)
class LiveStudy:
    """One study as its folder shows it now."""

    folder: Path
    spec: StudySpec
    clock: Callable[[], float] = time.monotonic
    version: int = 0
    """Grows with each change of a row."""
    trials: list[Trial] = field(default_factory=list)
    status: StudyStatus | None = None
    left: tuple[float, float] | None = None
    """Fewest and most seconds left; None: unknown, or none."""
    problem: str = ""
    """Why the study cannot be read."""
    _rows: dict[int, tuple[int, Row]] = field(default_factory=dict)
    _sources: dict[int, tuple[Trial, str]] = field(default_factory=dict)
    """Number to the trial and state of which its row was made."""
    _rungs: tuple[int, list[Rung]] = (-1, [])
    """Version, and the rungs of it."""
    _present: dict[int, Beat | None] = field(default_factory=dict)
    _journal: Journal | None = None
    _size: int = -1
    _idle: Mapping[int, str] = field(default_factory=dict)
    _fast: float = float("-inf")
    _slow: float = float("-inf")
    _beats: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _slow_lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self) -> int:
        """Read what is new, and return the version; at once where another browser's request reads."""
        if self.clock() - self._fast < FAST_SECONDS or not self._lock.acquire(blocking=False):
            return self.version
        try:
            self._read()
            self.problem = ""
        except (AutomlError, OSError) as error:
            self.problem = str(error)
        finally:
            self._fast = self.clock()
            self._lock.release()
        return self.version

    def refresh_slow(self) -> None:
        """Read status and findings again, if it is time; at once where another browser's request reads."""
        if self.clock() - self._slow < SLOW_SECONDS or not self._slow_lock.acquire(blocking=False):
            return
        try:
            self.status = study_status.read(self.folder, self.spec, shown=self.spec.name)
            with self._lock:
                self.left = self._time_left(self._journal) if self._journal else None
        except (AutomlError, OSError) as error:
            self.problem = str(error)
        finally:
            self._slow = self.clock()
            self._slow_lock.release()

    def changes(self, since: int) -> list[Row]:
        """Return the rows that changed after a version."""
        return [row for version, row in list(self._rows.values()) if version > since]

    def rungs(self) -> list[Rung]:
        """Return for each rung its epoch, the trials that reached it, those that went further, and the best value."""
        version = self.version
        if self._rungs[0] != version:
            self._rungs = version, [_rung(epoch, self.trials, self.spec.metric) for epoch in self.spec.ladder.rungs]
        return self._rungs[1]

    def _read(self) -> None:
        size = (self.folder / JOURNAL).stat().st_size
        if self._journal is None or size < self._size:
            self._journal = Journal.read(self.folder, metric=self.spec.metric)
        elif size > self._size:
            self._journal.follow()
        aged = self.clock() - self._beats >= BEAT_SECONDS
        if size == self._size and not aged:
            return
        self._size, self.trials = size, self._journal.trials()
        if aged:
            self._beats = self.clock()
            self._present.clear()
        self._stand()
        self._update()

    def _time_left(self, journal: Journal) -> tuple[float, float] | None:
        with journal.interpreted():
            elapsed = status.with_driver(Elapsed.from_notes(journal.notes()), heartbeat.read(self.folder))
        done = sum(trial.ending is not None or self._idle.get(trial.number) == State.PAUSED for trial in self.trials)
        return remaining.left(self.spec, self.trials, elapsed, done=done)

    def _stand(self) -> None:
        """Derive the states; the heartbeats of all trials are read every BEAT_SECONDS, that of a new trial at once."""
        for trial in self.trials:
            if not trial.ending and trial.number not in self._present:
                folder = trial_folder(self.folder, trial, self.spec.model)
                self._present[trial.number] = heartbeat.present(folder)
        driven = status.alive(heartbeat.read(self.folder))
        self._idle = status.idle_states(self.trials, self.spec.ladder, beats=self._present, driven=driven)

    def _update(self) -> None:
        """Replace the rows that differ, all under one new version; a trial that is the same object has not changed."""
        after, changed = self.version + 1, False
        for trial in self.trials:
            state = self._idle.get(trial.number, str(trial.state))
            known = self._sources.get(trial.number)
            if known is not None and known[0] is trial and known[1] == state:
                continue
            self._sources[trial.number] = trial, state
            self._rows[trial.number] = after, row_of(trial, state, metric=self.spec.metric)
            changed = True
        if changed:
            self.version = after


def row_of(trial: Trial, state: str, *, metric: str) -> Row:
    """Return a trial as a row."""
    value = trial.best(metric)
    return {
        "number": trial.number,
        "state": state,
        "epoch": trial.epoch,
        "value": None if value is None else round(value, 4),
        "seconds": round(trial.seconds),
        "params": shown(trial.params),
        "reason": str(trial.ending.reason) if trial.ending else "",
        "curve": [[one.epoch, round(one.metrics[metric], 4)] for one in trial.measurements if metric in one.metrics],
    }


def _rung(epoch: int, trials: Sequence[Trial], metric: str) -> Rung:
    reached = [trial for trial in trials if trial.epoch >= epoch]
    values = [value for trial in reached if (value := _best_until(trial, metric, epoch)) is not None]
    further = sum(trial.epoch > epoch for trial in reached)
    return {"epoch": epoch, "reached": len(reached), "further": further, "best": max(values, default=None)}


def _best_until(trial: Trial, metric: str, epoch: int) -> float | None:
    values = [one.metrics[metric] for one in trial.measurements if one.epoch <= epoch and metric in one.metrics]
    return max(values, default=None)


@dataclass(slots=True)
class LiveStudies:
    """The studies that are shown, one reader each."""

    _studies: dict[Path, LiveStudy] = field(default_factory=dict)

    def study(self, folder: Path) -> LiveStudy:
        """Return the reader of the study in a folder.

        Raises:
            StudyError: the folder contains none.
        """
        if folder not in self._studies:
            self._studies[folder] = LiveStudy(folder, read_spec(folder))
        return self._studies[folder]
