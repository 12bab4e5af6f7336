"""Wall-clock time of a whole job over all its sessions, by stage; interruptions are not counted.

The driver writes it to the journal once a minute, so that `automl status`, the report and the final output show the
same number. `budget.hours` is counted separately (budget.py).
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from automl.storage.journal import Journal
from automl.study.errors import StudyError
from automl.study.text import duration
from automl.trials import budget
from automl.trials.heartbeat import Beat

NOTE: Final = "elapsed"
"""Journal key of the time spent; its value is `Elapsed.to_dict`."""
SECONDS: Final = 60.0
"""Interval of notes; a killed driver loses at most this much of its time."""
JOIN_SECONDS: Final = 10.0
"""Join timeout: a storage that hangs must not keep the process from ending."""
RETRAINING: Final = "confirm:"
"""Prefix of a re-training's journal key."""


class Stage(StrEnum):
    """Part of a job."""

    START = "start"
    """Checking data, joining the cluster."""
    SEARCH = "search"
    CONFIRM = "confirm"
    EXPORT = "export"
    """Export, measurement of what ships, publication."""


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Wall-clock time that a job took so far, and the data to estimate the rest."""

    stages: Mapping[str, float] = field(default_factory=dict)
    """Maps a stage to seconds, over all sessions."""
    stage: str = ""
    """The latest stage."""
    places: int = 0
    """Trainings at a time; 0 if unknown."""
    at: str = ""
    """Time of writing: UTC, ISO 8601."""
    retrained: int = 0
    """Re-trainings that ended."""
    finished: bool = False
    partial: bool = False
    """True if the journal has the search's time only (written by an earlier version)."""

    @classmethod
    def of_search(cls, seconds: float, places: int) -> Self:
        """Return the time of a job that consists of a search only."""
        return cls({str(Stage.SEARCH): seconds}, Stage.SEARCH, places)

    @property
    def seconds(self) -> float:
        """Return the seconds of the whole job."""
        return sum(self.stages.values())

    @property
    def searched(self) -> float:
        """Return the seconds of the search."""
        return self.stages.get(Stage.SEARCH, 0.0)

    def with_driver(self, beat: Beat | None, *, silence: float, limit: float) -> Self:
        """Add the time since the last note if the driver is alive: silent for at most `limit` seconds."""
        if beat is None or not self.at or self.finished or silence > limit:
            return self
        since = datetime.fromisoformat(beat.at) - datetime.fromisoformat(self.at)
        more = max(since.total_seconds(), 0.0) + silence
        return replace(self, stages={**self.stages, self.stage: self.stages.get(self.stage, 0.0) + more})

    def summary(self) -> str:
        """Return the times as text.

        >>> Elapsed({"start": 21, "search": 646, "confirm": 1200}).summary()
        '31m07s: start 21s, search 10m46s, confirm 20m00s'
        """
        if self.partial:
            return f"search {duration(self.seconds)} (the rest was not recorded)"
        parts = [f"{stage} {duration(self.stages[stage])}" for stage in Stage if self.stages.get(stage, 0.0) >= 0.5]
        return f"{duration(self.seconds)}: {', '.join(parts)}" if parts else duration(self.seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-serialisable values."""
        stages = {str(stage): round(seconds, 3) for stage, seconds in self.stages.items()}
        return {
            "seconds": round(self.seconds, 3), "at": self.at, "stages": stages, "stage": str(self.stage),
            "places": self.places,
        }  # fmt: skip

    @classmethod
    def from_notes(cls, notes: Mapping[str, Any]) -> Self:
        """Build from a journal's notes; without this note only the search's seconds are known."""
        retrained = sum(key.startswith(RETRAINING) and bool(value.get("final")) for key, value in notes.items())
        finished = notes.get("promotion") is not None
        if NOTE not in notes:
            stages = {str(Stage.SEARCH): float(notes[budget.NOTE])} if notes.get(budget.NOTE) else {}
            return cls(stages, retrained=retrained, finished=finished, partial=bool(stages))
        plain = notes[NOTE]
        return cls(
            stages={str(stage): float(seconds) for stage, seconds in plain["stages"].items()},
            stage=str(plain["stage"]),
            places=int(plain["places"]),
            at=str(plain["at"]),
            retrained=retrained,
            finished=finished,
        )


class JobClock:
    """Measures the wall-clock time of a job and keeps it in the journal. It stops when the study is finished."""

    def __init__(self, journal: Journal, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Continue the time of earlier sessions."""
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        with journal.interpreted():
            kept = Elapsed.from_notes(journal.notes())
        self._stages = {str(stage): seconds for stage, seconds in kept.stages.items()}
        self._stage, self._places = Stage.START, kept.places
        self._since = clock()
        self._stopped = kept.finished

    def count_from(self, moment: float) -> None:
        """Count this session from an earlier moment, by the same clock."""
        with self._lock:
            self._since = min(self._since, moment)

    def elapsed(self) -> Elapsed:
        """Return the time of all sessions, this one included."""
        kept = Elapsed.from_notes(self._journal.notes())
        with self._lock:
            stages = dict(self._stages)
            if not self._stopped:
                stages[self._stage] = stages.get(self._stage, 0.0) + self._clock() - self._since
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        return replace(kept, stages=stages, stage=self._stage, places=self._places, at=at, partial=False)

    def enter(self, stage: Stage, *, places: int = 0) -> None:
        """Begin a stage; `places` is the number of trainings at a time, 0 if unknown."""
        with self._lock:
            now = self._clock()
            if not self._stopped:
                self._stages[self._stage] = self._stages.get(self._stage, 0.0) + now - self._since
            self._stage, self._since = stage, now
            self._places = places or self._places
        self.note()

    def note(self) -> None:
        """Write the time to the journal, unless the study is finished."""
        if not self._stopped:
            self._journal.note(NOTE, self.elapsed().to_dict())

    def stop(self) -> Elapsed:
        """Write the final time to the journal and return it; the clock is stopped."""
        self.enter(self._stage)
        self._stopped = True
        return self.elapsed()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write the time once a minute and at the end of a block.

        The writing thread does not retry: while the storage fails, notes are skipped and nothing waits.
        """
        over = threading.Event()

        def keep() -> None:
            while not over.wait(SECONDS):
                self._try_note()
            self._try_note()

        writer = threading.Thread(target=keep, name="job-clock", daemon=True)
        writer.start()
        try:
            yield
        finally:
            over.set()
            writer.join(timeout=JOIN_SECONDS)

    def _try_note(self) -> None:
        with suppress(OSError, StudyError):
            self.note()
