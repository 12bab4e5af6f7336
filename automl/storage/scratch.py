"""Temporary folders on the local disk, deleted at exit or, if the process was killed, by a later one."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "automl-"


def make() -> Path:
    """Return a new temporary folder, after deleting those whose process has ended."""
    for stale in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        owner = stale.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(stale, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a new temporary folder for a block."""
    made = make()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
