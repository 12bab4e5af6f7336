"""Waits for the mount of a data set: a trial starts once its staged images lead somewhere, and fails only then."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.data import staging
from automl.storage import outage
from automl.study import Job
from automl.study.errors import DataError
from automl.study.text import duration

MOST_SECONDS: Final = 24 * 3600.0
"""Waiting time after which a trial ends: a night and a day."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait settings: clock, sleep, limit in seconds."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    most: float = MOST_SECONDS


def is_away(job: Job) -> bool:
    """Return True if a staged image of a job leads nowhere."""
    return bool(staging.away(Path(job.data)))


def wait_for(job: Job, wait: Wait = Wait()) -> None:
    """Return once every staged image of a job leads to a file; a wait is logged at first and once a minute.

    Only a process that waits for its storage (`outage.retries_enabled`) waits for its data.

    Raises:
        DataError: they are away for too long, or this process does not wait.
    """
    settings, since, pause = outage.current(), wait.clock(), outage.SHORTEST
    logged: float | None = None
    while missing := staging.away(Path(job.data)):
        lost = f"{len(missing)} staged images lead nowhere, such as {missing[0]} -> {_target(missing[0])}"
        waited = wait.clock() - since
        if settings is None or waited >= wait.most:
            raise DataError(f"{job.data}: must lead to images, but {lost}{_after(waited)}; bring the data set back")
        if logged is None or wait.clock() - logged >= outage.REPEAT_SECONDS:
            settings.say(f"data: {lost}; the trial waits until the data set is back{_after(waited)}")
            logged = wait.clock()
        wait.sleep(pause)
        pause = min(outage.LONGEST, 2 * pause)
    if logged is not None and settings:
        settings.say(f"data: {Path(job.data).parent} leads to all its images again{_after(wait.clock() - since)}")


def scan_again(job: Job) -> None:
    """Remove Ultralytics' label caches: one that was written while images were away lacks them for good."""
    for path in (Path(job.data).parent / "labels").glob("*.cache"):
        path.unlink(missing_ok=True)
    sys.stdout.write("the label caches are made again, since they lacked images\n")


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return "nothing"


def _after(seconds: float) -> str:
    return f", after {duration(seconds)}" if seconds >= 1 else ""
