"""Temporary folders on the local disk, deleted at exit or, if the process was killed, by a later one."""

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


def make() -> Path:
    """Return a new temporary folder, after deleting those whose process has ended."""
    for stale in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        owner = stale.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(stale, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


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
        shutil.rmtree(holder, ignore_errors=True)


def _holder(variable: str, long: str, most: int) -> Path:
    for place in SHORT_PLACES:
        with suppress(OSError):
            made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
            if len(os.fsencode(made / "t")) <= most:
                return made
            made.rmdir()
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
        shutil.rmtree(made, ignore_errors=True)
