"""Heartbeats in trial and study folders: a thread writes every few seconds that its process lives."""

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
"""Between two heartbeats."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What a process said of itself when it was last heard."""

    attempt: int
    node: str
    process: int
    since: str
    """When the attempt began on its worker: UTC, ISO 8601."""
    at: str
    """When it was last heard, by its node's clock."""
    memory: str = ""
    """The file in which its node counts processes that were ended for want of memory."""
    kills: int = 0
    """What that file counted then; a process that dies when it counts more was likely one of those."""


def heard(folder: Path) -> Beat | None:
    """Return the last heartbeat in a folder; None where there is none that can be read."""
    with suppress(TypeError, OSError):
        return Beat(**lease.read(folder / BEAT))
    return None


def present(folder: Path) -> Beat | None:
    """Return the last heartbeat of the attempt given out last; None where it was not heard yet."""
    beat = heard(folder)
    return beat if beat and beat.attempt == lease.latest(folder) else None


@contextmanager
def beating(folder: Path, attempt: int, *, seconds: float = SECONDS) -> Iterator[None]:
    """Say every few seconds that this process lives, until the block ends or a later attempt has taken its place.

    The driver of a study says so in the study's folder, as attempt 0.
    """
    over, since = threading.Event(), lease.utc_now()
    memory = memory_file()

    def beat() -> None:
        while not _superseded(folder, attempt):
            now = Beat(attempt, socket.gethostname(), os.getpid(), since, lease.utc_now(), memory, kills(memory))
            _write(folder / BEAT, now)
            if over.wait(seconds):
                return

    speaker = threading.Thread(target=beat, name="heartbeat", daemon=True)
    speaker.start()
    try:
        yield
    finally:
        over.set()
        speaker.join(timeout=seconds)
        if not _superseded(folder, attempt):
            with suppress(OSError):
                (folder / BEAT).unlink(missing_ok=True)


def _superseded(folder: Path, attempt: int) -> bool:
    """Return True if a later attempt was given out, as far as can be told: a storage that is away tells nothing."""
    with suppress(OSError):
        return lease.latest(folder) > attempt
    return False


def memory_file() -> str:
    """Return the file in which the kernel counts the processes of this one's control group that it ended for memory."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, place = line.split(":", 2)
            if controllers == "memory":
                return f"/sys/fs/cgroup/memory{place.rstrip('/')}/memory.oom_control"
            if not controllers and Path(f"/sys/fs/cgroup{place.rstrip('/')}/memory.events").exists():
                return f"/sys/fs/cgroup{place.rstrip('/')}/memory.events"
    return "/proc/vmstat"


def kills(file: str) -> int:
    """Return what such a file counts, 0 where it cannot be read."""
    with suppress(OSError, ValueError):
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return 0


def _write(path: Path, beat: Beat) -> None:
    """Write a heartbeat without waiting for the disk: the next one comes soon; one that cannot be written is missed."""
    fresh = path.with_name(f".{path.name}.{beat.process}")
    with suppress(OSError):
        fresh.write_text(json.dumps(asdict(beat)), encoding="utf-8")
        fresh.replace(path)
