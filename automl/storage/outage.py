"""Waits where a write fails for a reason that passes: a full disk, a mount that is away or read-only.

Held by the process of a study and by its workers; where nobody holds any, a write that fails raises at once. Called
by `durable` for every file, and by whoever does several file operations as one step that can be done again.
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
AWAY: Final = frozenset({
    errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.ENETDOWN, errno.ENETUNREACH, errno.EREMOTEIO,
})  # fmt: skip
PASSING: Final = FULL | AWAY
SHORTEST: Final = 1.0
LONGEST: Final = 15.0
"""Seconds between two attempts: they double from the one to the other."""
SAID_AGAIN: Final = 60.0
LOOK: Final = 0.5
"""Seconds between two looks at whether the process was asked to stop."""


def never() -> bool:
    """Stand for a process that nobody asks to stop."""
    return False


def aloud(text: str) -> None:
    """Say on standard output, which on a worker is the trial's log."""
    sys.stdout.write(f"{text}\n")


@dataclass(frozen=True, slots=True)
class Patience:
    """How to wait: who is told, who may end it, and by which clock."""

    say: Callable[[str], None] = aloud
    stopping: Callable[[], bool] = never
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def outwait(self, folder: Path, write: Callable[[], Result], error: OSError) -> Result:
        """Repeat a write that failed with `error` until it succeeds.

        Raises:
            StudyError: the process was asked to stop.
            OSError: it fails for a reason that does not pass.
        """
        since, pause = self.clock(), SHORTEST
        said, told = "", since
        while True:
            text = f"storage: {folder}: {_trouble(error)}; everything waits until {_wanted(error)}"
            if text != said or self.clock() - told >= SAID_AGAIN:
                self.say(text)
                said, told = text, self.clock()
            self._rest(folder, pause, error)
            pause = min(LONGEST, 2 * pause)
            try:
                found = write()
            except OSError as again:
                if again.errno not in PASSING:
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
                    f"{folder}: must be written to, but {_trouble(error)}, and the study was asked to stop meanwhile; "
                    "mend that, then resume the study"
                )
            self.sleep(min(LOOK, left))


_held: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def held(patience: Patience) -> Iterator[None]:
    """Let the writes of a block wait, those of this thread alone."""
    token = _held.set(patience)
    try:
        yield
    finally:
        _held.reset(token)


@contextmanager
def ended_by(stopping: Callable[[], bool]) -> Iterator[None]:
    """Let the waiting of a block, if there is any, end when this tells that the process was asked to stop."""
    patience = _held.get()
    if patience is None:
        yield
        return
    with held(replace(patience, stopping=stopping)):
        yield


def patiently(folder: Path, write: Callable[[], Result]) -> Result:
    """Return what `write` returns; where patience is held, wait as long as the storage of `folder` fails it.

    `write` is called again from its beginning, so it must not matter how far it came.
    """
    try:
        return write()
    except OSError as error:
        patience = _held.get()
        if patience is None or error.errno not in PASSING:
            raise
        return patience.outwait(folder, write, error)


def _trouble(error: OSError) -> str:
    return error.strerror or os.strerror(error.errno or 0)


def _wanted(error: OSError) -> str:
    return "there is room" if error.errno in FULL else "it can be written"
