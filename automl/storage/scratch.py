"""Temporary folders on the local disk, deleted at exit or, if the process was killed, by a later one.

A folder is held by a lock (flock) of its process, which the kernel frees when the process ends. A process number would
not do: processes in other containers share the disk and have numbers of their own.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from automl.study.errors import StudyError

PREFIX: Final = "automl-"
SHORT_PLACES: Final = ("/tmp", "/var/tmp", "/dev/shm", "/run/user/" + str(os.getuid()))
"""Folders for a short link to a temporary folder with a long name, in this order."""
_HELD: Final[dict[Path, int]] = {}
"""The open folders of this process, which keep their locks."""


def make(*, place: str | None = None) -> Path:
    """Return a new temporary folder, after deleting those whose process has ended."""
    for stale in Path(place or tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        _delete_stale(stale)
    while True:
        made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
        handle = _locked(made)
        if handle is None or _is_there(handle, made):  # else another process deleted it before it was locked
            if handle is not None:
                _HELD[made] = handle
            return made
        os.close(handle)


def delete(folder: Path) -> None:
    """Delete a temporary folder of this process."""
    shutil.rmtree(folder, ignore_errors=True)
    if (handle := _HELD.pop(folder, None)) is not None:
        os.close(handle)


def _delete_stale(folder: Path) -> None:
    """Delete a folder that no process holds; one of an earlier version, which has no lock, goes by its process."""
    owner = folder.name.removeprefix(PREFIX).partition("-")[0]
    if not owner.isdigit() or Path("/proc", owner).exists() or folder in _HELD:
        return
    handle = _locked(folder)
    if handle is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _locked(folder: Path) -> int | None:
    """Return the open folder with its lock; None if another process holds it, or it cannot be locked."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _is_there(handle: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except OSError:
        return False


@contextmanager
def short_name(*, variable: str, most: int) -> Iterator[str]:
    """Replace the path in an environment variable by a link of at most `most` bytes during a block.

    Yields what was done, for the log; empty if the path is short already. The files are not moved.

    Raises:
        StudyError: no folder for a short link is writable.
    """
    long = os.environ.get(variable, "")
    if len(os.fsencode(long)) <= most:
        yield ""
        return
    holder = _holder(variable, long, most)
    link = holder / "t"
    try:
        Path(long).mkdir(parents=True, exist_ok=True)
        link.symlink_to(long)
        os.environ[variable], tempfile.tempdir = str(link), None
        yield f"{variable} has {len(os.fsencode(long))} letters, too many for Ray's sockets; they use the link {link}"
    finally:
        os.environ[variable], tempfile.tempdir = long, None
        delete(holder)


def _holder(variable: str, long: str, most: int) -> Path:
    for place in SHORT_PLACES:
        with suppress(OSError):
            made = make(place=place)
            if len(os.fsencode(made / "t")) <= most:
                return made
            delete(made)
    raise StudyError(
        f"{variable}: must be a path of at most {most} letters, since Ray creates its sockets in it, but got "
        f"{len(os.fsencode(long))}: {long}; set {variable} to a shorter one"
    )


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a new temporary folder for a block."""
    made = make()
    try:
        yield made
    finally:
        delete(made)
