"""Retry of file operations on transient storage errors: a full disk, an unavailable or read-only mount.

Enabled by the process of a study and by its workers; otherwise a failed write raises at once. Used by `files` for every
file, and by callers with several file operations as one repeatable step.
"""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from automl.study.errors import StudyError
from automl.study.text import duration

Result = TypeVar("Result")

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
UNAVAILABLE: Final = frozenset({
    errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.ENETDOWN, errno.ENETUNREACH, errno.EREMOTEIO,
})  # fmt: skip
TRANSIENT: Final = FULL | UNAVAILABLE
SHORTEST: Final = 1.0
LONGEST: Final = 15.0
"""Seconds between two attempts: doubled from the first to the second value."""
REPEAT_SECONDS: Final = 60.0
LOOK: Final = 0.5
"""Poll interval of a stop request."""


def never() -> bool:
    """Default: never stop."""
    return False


def print_line(text: str) -> None:
    """Print to standard output, which on a worker is the trial's log."""
    sys.stdout.write(f"{text}\n")


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Retry settings: log callback, stop check and clock."""

    say: Callable[[str], None] = print_line
    stopping: Callable[[], bool] = never
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def retry(self, folder: Path, write: Callable[[], Result], error: OSError) -> Result:
        """Retry a write that failed with `error` until it succeeds.

        Raises:
            StudyError: the process was asked to stop.
            OSError: it fails with a permanent error.
        """
        since, pause = self.clock(), SHORTEST
        said, logged_at = "", since
        while True:
            text = f"storage: {folder}: {_trouble(error)}; writes wait until {_wanted(error)}"
            if text != said or self.clock() - logged_at >= REPEAT_SECONDS:
                self.say(text)
                said, logged_at = text, self.clock()
            self._rest(folder, pause, error)
            pause = min(LONGEST, 2 * pause)
            try:
                found = write()
            except OSError as again:
                if again.errno not in TRANSIENT:
                    raise
                error = again
            else:
                self.say(f"storage: {folder}: {_wanted(error)} again after {duration(self.clock() - since)}")
                return found

    def _rest(self, folder: Path, seconds: float, error: OSError) -> None:
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            if self.stopping():
                raise StudyError(
                    f"{folder}: must be writable, but {_trouble(error)}, and a stop was requested; "
                    "fix that, then resume the study"
                )
            self.sleep(min(LOOK, left))


_settings: ContextVar[RetrySettings | None] = ContextVar("settings", default=None)


@contextmanager
def retries_enabled(settings: RetrySettings) -> Iterator[None]:
    """Enable retries for the writes of this thread during a block."""
    token = _settings.set(settings)
    try:
        yield
    finally:
        _settings.reset(token)


def current() -> RetrySettings | None:
    """Return the retry settings of this thread, None where retries are not enabled."""
    return _settings.get()


@contextmanager
def retries_end_when(stopping: Callable[[], bool]) -> Iterator[None]:
    """End retries during a block once `stopping` returns True."""
    settings = _settings.get()
    if settings is None:
        yield
        return
    with retries_enabled(replace(settings, stopping=stopping)):
        yield


def retry_on_outage(folder: Path, write: Callable[[], Result]) -> Result:
    """Return the result of `write`; if retries are enabled, repeat it while the storage of `folder` fails.

    `write` is called again from its beginning, so it must be idempotent.
    """
    try:
        return write()
    except OSError as error:
        settings = _settings.get()
        if settings is None or error.errno not in TRANSIENT:
            raise
        return settings.retry(folder, write, error)


def need_folder(folder: Path) -> None:
    """Raise an error that `retry_on_outage` waits for if a folder is missing that was there.

    A storage that is not mounted looks like an empty folder: a file that is missing there may exist. Where retries are
    not enabled nothing waits, and a missing folder is one that was never made, as of a training without a driver.

    Raises:
        OSError: the folder is missing.
    """
    if current() is not None and not folder.is_dir():
        raise OSError(errno.ESTALE, "the folder is missing, as if its storage were not mounted", str(folder))


def _trouble(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)


def _wanted(error: OSError) -> str:
    return "there is free space" if error.errno in FULL else "it is writable"
