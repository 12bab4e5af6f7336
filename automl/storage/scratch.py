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
"""Where a short link to a temporary folder of a long name may stand, in this order."""


def make() -> Path:
    """Return a new temporary folder, after deleting those whose process has ended."""
    for stale in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        owner = stale.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(stale, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


@contextmanager
def short_name(*, variable: str, most: int) -> Iterator[str]:
    """Let an environment variable name its folder by a link of at most `most` bytes for the length of a block.

    Yields what was done, for the log; empty where the name is short already. The files stay where they were.

    Raises:
        StudyError: no place for a short link can be written.
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
        yield f"{variable} has {len(os.fsencode(long))} letters, too many for Ray's sockets; they go by {link}"
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
        f"{variable}: must be a path of at most {most} letters, since Ray's sockets stand below it, but got "
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
