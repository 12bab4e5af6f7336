"""Waits for the mount of a data set: work on images starts once the staged ones lead somewhere, and fails only then."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from automl.data import staging
from automl.storage import outage
from automl.study import Job
from automl.study.errors import DataAwayError, DataError
from automl.study.text import duration

Result = TypeVar("Result")

MOST_SECONDS: Final = 24 * 3600.0
"""Waiting time after which a trial ends: a night and a day."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait settings: clock, sleep, limit in seconds."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    most: float = MOST_SECONDS


class _Waiting:
    """One wait for the images of a data set: logged at first and once a minute, and limited."""

    def __init__(self, data: str, *, who: str, wait: Wait) -> None:
        self._data, self._who, self._wait = data, who, wait
        self._settings, self._since, self._pause = outage.current(), wait.clock(), outage.SHORTEST
        self._logged: float | None = None

    def rest(self, lost: str) -> None:
        """Pause, since images are away.

        Raises:
            DataError: they are away for too long, or this process does not wait.
        """
        now = self._wait.clock()
        waited = now - self._since
        if self._settings is None or waited >= self._wait.most:
            raise DataError(f"{self._data}: must lead to images, but {lost}{_after(waited)}; bring the data set back")
        if self._logged is None or now - self._logged >= outage.REPEAT_SECONDS:
            self._settings.say(f"data: {lost}; {self._who} waits until the data set is back{_after(waited)}")
            self._logged = now
        self._wait.sleep(self._pause)
        self._pause = min(outage.LONGEST, 2 * self._pause)

    def end(self) -> None:
        """Log that all images are there, if a wait was logged."""
        if self._logged is not None and self._settings:
            after = _after(self._wait.clock() - self._since)
            self._settings.say(f"data: {Path(self._data).parent} leads to all its images again{after}")


def is_away(job: Job) -> bool:
    """Return True if a staged image of a job leads nowhere."""
    return bool(staging.away(Path(job.data)))


def wait_for(job: Job, wait: Wait = Wait()) -> None:
    """Return once every staged image of a job leads to a file; a wait is logged at first and once a minute.

    Only a process that waits for its storage (`outage.retries_enabled`) waits for its data.

    Raises:
        DataError: they are away for too long, or this process does not wait.
    """
    waiting = _Waiting(job.data, who="the trial", wait=wait)
    while lost := _lost(job):
        waiting.rest(lost)
    waiting.end()


class Needed:
    """A block on a worker that reads the images of a job: while they are away, it fails with DataAwayError alone.

    What failed or was measured while images were away says nothing about the model.
    """

    def __init__(self, job: Job) -> None:
        """Ask for the images of this job."""
        self._job = job

    def __enter__(self) -> None:
        """Raise DataAwayError if images are away."""
        self._refuse(None)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Raise DataAwayError in place of an error, or after a success, if images are away."""
        if kind is None or issubclass(kind, Exception):
            self._refuse(error)

    def _refuse(self, error: BaseException | None) -> None:
        if lost := _lost(self._job):
            scan_again(self._job)
            raise DataAwayError(lost) from error


def retried(call: Callable[[], Result], data: str, *, who: str, wait: Wait = Wait()) -> Result:
    """Return the result of a call, repeated while it raises DataAwayError; a wait is logged as `wait_for` does.

    `data` is the staged data set, `who` the subject of the log line, such as `the export`.

    Raises:
        DataError: the images are away for too long, or this process does not wait.
    """
    waiting = _Waiting(data, who=who, wait=wait)
    while True:
        try:
            found = call()
        except DataAwayError as error:
            waiting.rest(str(error))
        else:
            waiting.end()
            return found


def scan_again(job: Job) -> None:
    """Remove Ultralytics' label caches: one that was written while images were away lacks them for good."""
    for path in (Path(job.data).parent / "labels").glob("*.cache"):
        path.unlink(missing_ok=True)
    sys.stdout.write("the label caches are made again, since they lacked images\n")


def _lost(job: Job) -> str:
    """Return which staged images of a job lead nowhere, empty if none does."""
    missing = staging.away(Path(job.data))
    if not missing:
        return ""
    return f"{len(missing)} staged images lead nowhere, such as {missing[0]} -> {_target(missing[0])}"


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return "nothing"


def _after(seconds: float) -> str:
    return f", after {duration(seconds)}" if seconds >= 1 else ""
