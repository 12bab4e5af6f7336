"""Process clean-up on a worker: ends leftovers of earlier attempts, and starts the reaper of this one."""

import hashlib
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Final

from automl.cluster import reaper

SCRIPT: Final = Path(reaper.__file__)
PATIENCE: Final = 20.0
"""Seconds to wait for leftovers to end; an unkillable one must not block the start of the trial."""


def guard(folder: Path, *, process: int) -> str:
    """Mark all processes that this one will start for the trial in `folder`; return the mark.

    The trial trains in `process`. It is ended with this one, and what it leaves with it.
    """
    trial, here = _name(folder), os.getpid()
    if _leftovers(trial):
        reaper.end(lambda: _leftovers(trial), seconds=PATIENCE)
    mark = f"{trial}-{secrets.token_hex(8)}"
    arguments = (*(str(part) for pid in (process, here) for part in (pid, reaper.start_of(pid))), mark)
    # Started before the mark is set, so that it is not marked; -I and -S exclude our packages and Ray's paths.
    subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), *arguments],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=True,
    )
    os.environ[reaper.VARIABLE] = mark
    return mark


def _name(folder: Path) -> str:
    """Return an identifier of a trial's folder, equal in all processes; the inode distinguishes two mounts."""
    return hashlib.sha256(f"{folder.resolve()}:{folder.stat().st_ino}".encode()).hexdigest()[:16]


def _leftovers(trial: str) -> set[reaper.Process]:
    """Return the processes of earlier attempts at a trial, and their workers: those with a waiting reaper."""
    found = reaper.left(f"{trial}-", set())
    for pid, _ in reaper.processes():
        words = reaper.read(f"/proc/{pid}/cmdline").decode(errors="replace").rstrip("\0").split("\0")
        if words[-1].startswith(f"{trial}-") and SCRIPT.name in (names := [Path(word).name for word in words]):
            place = names.index(SCRIPT.name) + 1
            found.add((int(words[place]), int(words[place + 1])))
    return {process for process in found if reaper.start_of(process[0]) == process[1] and process[0] != os.getpid()}
