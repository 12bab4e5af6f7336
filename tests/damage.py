"""Damage to files that tests make, and files that may not be read."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def flipped(content: bytes, at: int) -> bytes:
    """Return content whose byte at an index differs in its lowest bit, so that it always is another one."""
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let nothing below a folder be looked at, as in that of another user; root, as whom tests may run, may do all."""
    stat = Path.stat

    def refused(path: Path, **options: Any) -> os.stat_result:
        if folder in path.parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refused)
