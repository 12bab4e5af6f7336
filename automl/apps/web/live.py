"""Live studies: the journal is followed line by line; of a change only the rows of changed trials are returned.

One reader serves all browsers of a study. Version, rows and rungs are replaced together, as one value (`Shown`): a
browser whose answer is made while another thread reads would otherwise note a version without its rows. What is slow
(findings, messages, forecasts) is read every few seconds and apart (`refresh_slow`), so that it delays no row.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from automl.apps.web.boards import ray_dashboard
from automl.apps.web.rows import Best, Row, Shown, best_until, row_of, rungs_of
from automl.storage.journal import Journal
from automl.storage.layout import JOURNAL, SPEC, trial_folder
from automl.storage.place import read_spec
from automl.storage.records import RecordError
from automl.study import State, Trial
from automl.study.errors import AutomlError
from automl.study.spec import StudySpec
from automl.tracking import status, study_status
from automl.tracking.study_status import StudyStatus
from automl.trials import heartbeat, remaining
from automl.trials.heartbeat import Beat
from automl.trials.job_clock import Elapsed

FAST_SECONDS: Final = 0.15
SLOW_SECONDS: Final = 5.0
BEAT_SECONDS: Final = 2.0


@dataclass(slots=True)
class LiveStudy:
    """One study as its folder shows it now."""

    folder: Path
    spec: StudySpec
    clock: Callable[[], float] = time.monotonic
    shown: Shown = field(default_factory=Shown)
    """The version that browsers are sent."""
    trials: list[Trial] = field(default_factory=list)
    status: StudyStatus | None = None
    left: tuple[float, float] | None = None
    """Fewest and most seconds left; None: unknown, or none."""
    dashboard: str = ""
    """Address of the Ray dashboard of a study that runs; empty: there is none."""
    problem: str = ""
    """Why the study cannot be read."""
    _sources: dict[int, tuple[Trial, str]] = field(default_factory=dict)
    """Number to the trial and state of which its row was made."""
    _bests: dict[int, Best] = field(default_factory=dict)
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
            return self.shown.version
        try:
            self._read()
            self.problem = ""
        except (AutomlError, OSError) as error:
            self.problem = str(error)
        finally:
            self._fast = self.clock()
            self._lock.release()
        return self.shown.version

    def refresh_slow(self) -> None:
        """Read status and findings again, if it is time; at once where another browser's request reads."""
        if self.clock() - self._slow < SLOW_SECONDS or not self._slow_lock.acquire(blocking=False):
            return
        try:
            if (self.folder / SPEC).is_file():  # a study can be extended while it runs
                self.spec = read_spec(self.folder)
            self.status = study_status.read(self.folder, self.spec, shown=self.spec.name)
            self.dashboard = ray_dashboard(self.folder) if self.status.running else ""
            with self._lock:
                self.left = self._time_left(self._journal) if self._journal else None
        except (AutomlError, OSError) as error:
            self.problem = str(error)
        finally:
            self._slow = self.clock()
            self._slow_lock.release()

    def _read(self) -> None:
        size = (self.folder / JOURNAL).stat().st_size
        if self._journal is None or size < self._size or (size > self._size and not self._followed(self._journal)):
            self._journal = Journal.read(self.folder, metric=self.spec.metric)
            self._sources.clear()  # of a study of the same name that was deleted meanwhile
            self._bests.clear()
            self.shown = Shown(self.shown.version)
        aged = self.clock() - self._beats >= BEAT_SECONDS
        if size == self._size and not aged:
            return
        self._size, self.trials = size, self._journal.trials()
        if aged:
            self._beats = self.clock()
            self._present.clear()
        self._stand()
        self._update()

    @staticmethod
    def _followed(journal: Journal) -> bool:
        """Read the new lines of a journal; False if they do not follow those before, as in that of another study."""
        try:
            journal.follow()
        except RecordError:
            return False
        return True

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
        after, rows = self.shown.version + 1, dict[int, Row]()
        for trial in self.trials:
            state = self._idle.get(trial.number, str(trial.state))
            known = self._sources.get(trial.number)
            if known is not None and known[0] is trial and known[1] == state:
                continue
            self._sources[trial.number] = trial, state
            before = self.shown.rows.get(trial.number)
            rows[trial.number] = row_of(trial, state, metric=self.spec.metric, version=after, before=before)
            self._bests[trial.number] = best_until(trial, self.spec.ladder.rungs, metric=self.spec.metric)
        if rows:
            rungs = rungs_of(self.spec.ladder.rungs, list(self._bests.values()))
            self.shown = Shown(after, {**self.shown.rows, **rows}, rungs)


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
