"""A small storage of its own for a test: a mount that can be filled up and made read-only. Needs to be root."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from automl.storage.outage import RetrySettings

FASTER = 20.0
"""So many times faster than real does a test wait."""


class Storage:
    """A mounted folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Leave no page free."""
        with self._filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def empty(self) -> None:
        self._filler.unlink()

    def remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", self.folder], check=True)


@contextmanager
def mounted(folder: Path, *, size: str) -> Iterator[Storage]:
    """Mount a storage of that size for the length of a block."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"a small storage cannot be mounted here: {error}")
    if tried.returncode:
        pytest.skip(f"a small storage cannot be mounted here: {tried.stderr.strip()}")
    try:
        yield Storage(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


class Voice:
    """Log callback of retries that starts a timer for `then` at the first line."""

    def __init__(self, then: Callable[[], None], *, seconds: float = 0.2) -> None:
        self.said: list[str] = []
        self._timer = threading.Timer(seconds, then)

    def __call__(self, text: str) -> None:
        self.said.append(text)
        if len(self.said) == 1:
            self._timer.start()

    def settings(self, stopping: Callable[[], bool] = lambda: False) -> RetrySettings:
        """Return retry settings with this log callback and a fast clock."""
        return RetrySettings(
            self, stopping, clock=lambda: FASTER * time.monotonic(), sleep=lambda seconds: time.sleep(seconds / FASTER)
        )
