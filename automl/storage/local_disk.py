"""Room in the local temporary folder, where Ray, Tune and trainers write on their own account, and in shared memory.

A full one is a fault of the machine: the driver ends with a message, and a worker waits for room. Ray's processes map
files in both: the kernel ends them with SIGBUS, without a message, where a page finds no room.
"""

import errno
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from automl.study.errors import AutomlError, StudyError

LEAST: Final = 1_000_000
"""Bytes; with fewer free the folder counts as full."""
INODES: Final = 2
SHARED: Final = Path("/dev/shm")
RECENT: Final = 120.0
"""Seconds for which a full folder is remembered: a process that ends gives its room back."""
MARGIN: Final = 16_000_000
"""Bytes that are free, beyond twice what was written, before a worker continues."""


def folder() -> Path:
    """Return the local temporary folder.

    Raises:
        OSError: none can be written, with the number of a full disk.
    """
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise OSError(errno.ENOSPC, str(error.strerror), os.environ.get("TMPDIR", "/tmp")) from None


def is_full() -> bool:
    """Return True if the local temporary folder has no room, or is not there."""
    try:
        return _free(folder()) < LEAST
    except OSError:
        return True


class Shortage:
    """Record of which folders were full lately: the temporary folder, and shared memory, where Ray's objects are."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Use this clock."""
        self._clock = clock
        self._seen: dict[Path, float] = {}

    def look(self) -> None:
        """Look at the free space of each folder once."""
        for place in (_ray_folder(), SHARED):
            with suppress(OSError):
                if _free(place) < LEAST:
                    self._seen[place] = self._clock()

    def text(self) -> str:
        """Return which folders are full or were lately, with the remedy; empty if none."""
        self.look()
        full = [str(place) for place, at in self._seen.items() if self._clock() - at <= RECENT]
        if not full:
            return ""
        return (
            f"{' and '.join(full)} had no room left, which ends Ray's processes without a message: make room, "
            "or set TMPDIR to a folder on a larger disk"
        )


SHORTAGE: Final = Shortage()
"""The record of this process."""


def with_cause(text: str) -> str:
    """Return a text with the full folders as the probable cause, if there are any."""
    return f"{text}; {found}" if (found := SHORTAGE.text()) else text


def need(size: int) -> None:
    """Check that so many bytes are free.

    Raises:
        OSError: they are not, with the number of a full disk.
    """
    if _free(folder()) < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder()))


def written(place: Path) -> int:
    """Return the bytes of the files below a folder; another process may delete some meanwhile."""
    size = 0
    for root, _, names in os.walk(place):
        for name in names:
            with suppress(FileNotFoundError):
                size += Path(root, name).stat().st_size
    return size


def _ray_folder() -> Path:
    """Return where an embedded Ray has its files; without a folder that can be written, the usual one."""
    try:
        return Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    except FileNotFoundError:
        return Path(os.environ.get("TMPDIR", "/tmp"))


def _free(place: Path) -> int:
    found = os.statvfs(place)
    if found.f_files and found.f_favail < INODES:
        return 0
    return (found.f_bavail if os.geteuid() else found.f_bfree) * found.f_frsize


class FullDiskErrors:
    """Turns whatever fails in a block while the local temporary folder is full into one message."""

    def __init__(self, full: Callable[[], bool] = is_full) -> None:
        """Ask this function."""
        self._full = full

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """Raise a StudyError in place of another error."""
        if kind is not None and issubclass(kind, Exception) and not issubclass(kind, AutomlError) and self._full():
            place = os.environ.get("TMPDIR", "/tmp")
            raise StudyError(
                f"{place}: the local temporary folder must have room, but is full; make room, or set TMPDIR to a "
                "folder on a larger disk, then continue the study: nothing is lost"
            ) from error
