"""Heartbeats in trial and study folders, written by a thread every few seconds."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from automl.trials import lease

BEAT: Final = "heartbeat.json"
SECONDS: Final = 10.0
"""Interval of heartbeats."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat: process, node and time."""

    attempt: int
    node: str
    process: int
    since: str
    """Start of the attempt on its worker: UTC, ISO 8601."""
    at: str
    """Time of the heartbeat, by its node's clock."""
    memory: str = ""
    """The file in which its node counts out-of-memory kills."""
    kills: int = 0
    """That count at the time of the heartbeat; if it is higher when the process dies, memory was the likely cause."""


def read(folder: Path) -> Beat | None:
    """Return the last heartbeat in a folder; None if there is none that can be read."""
    with suppress(TypeError, OSError):
        return Beat(**lease.read(folder / BEAT))
    return None


def present(folder: Path) -> Beat | None:
    """Return the last heartbeat of the latest attempt; None before its first."""
    beat = read(folder)
    return beat if beat and beat.attempt == lease.latest(folder) else None


@contextmanager
def heartbeats(folder: Path, attempt: int, *, seconds: float = SECONDS) -> Iterator[None]:
    """Write heartbeats every few seconds until the block ends or a later attempt supersedes this one.

    The driver of a study writes its own in the study's folder, as attempt 0.
    """
    over, since = threading.Event(), lease.utc_now()
    memory = memory_file()

    def beat() -> None:
        while not _superseded(folder, attempt):
            now = Beat(attempt, socket.gethostname(), os.getpid(), since, lease.utc_now(), memory, kills(memory))
            _write(folder / BEAT, now)
            if over.wait(seconds):
                return

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=seconds)
        if not _superseded(folder, attempt):
            with suppress(OSError):
                (folder / BEAT).unlink(missing_ok=True)


def _superseded(folder: Path, attempt: int) -> bool:
    """Return True if a later attempt has the lease; False if the storage is unavailable."""
    with suppress(OSError):
        return lease.latest(folder) > attempt
    return False


def memory_file() -> str:
    """Return the file with the kernel's count of out-of-memory kills in this process's control group."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, place = line.split(":", 2)
            if controllers == "memory":
                return f"/sys/fs/cgroup/memory{place.rstrip('/')}/memory.oom_control"
            if not controllers and Path(f"/sys/fs/cgroup{place.rstrip('/')}/memory.events").exists():
                return f"/sys/fs/cgroup{place.rstrip('/')}/memory.events"
    return "/proc/vmstat"


def kills(file: str) -> int:
    """Return the number of out-of-memory kills in such a file, 0 if it cannot be read."""
    with suppress(OSError, ValueError):
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def _write(path: Path, beat: Beat) -> None:
    """Write a heartbeat without fsync or retry: the next one follows soon."""
    fresh = path.with_name(f".{path.name}.{beat.process}")
    with suppress(OSError):
        fresh.write_text(json.dumps(asdict(beat)), encoding="utf-8")
        fresh.replace(path)
