"""Folders on this machine's own disk that go with their process, also when it is killed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PREFIX: Final = "automl-"


def make() -> Path:
    """Return a new folder in the temporary place, after sweeping those whose process is gone."""
    for stale in Path(tempfile.gettempdir()).glob(f"{PREFIX}[0-9]*-*"):
        owner = stale.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(stale, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))


@contextmanager
def folder() -> Iterator[Path]:
    """Give a new folder for the length of a block."""
    made = make()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
