"""Heartbeats in trial and study folders, written by a thread every few seconds."""

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from automl.storage.records import RecordError
from automl.study.errors import StudyError
from automl.study.plain_values import well_typed
from automl.trials import lease

LOG: Final = logging.getLogger(__name__)
BEAT: Final = "heartbeat.json"
SECONDS: Final = 10.0
"""Interval of heartbeats."""
FRESH: Final = 600.0
"""A heartbeat of a driver that is at most this old, in seconds, may be of one that is alive."""
INTERVALS: Final = 2.5
"""Intervals within which a living process writes its next heartbeat."""


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
    with suppress(TypeError, ValueError, OverflowError, OSError):
        beat = well_typed(Beat(**lease.read(folder / BEAT)))
        if all(datetime.fromisoformat(moment).tzinfo for moment in (beat.at, beat.since)):
            return beat
    return None


def present(folder: Path) -> Beat | None:
    """Return the last heartbeat of the latest attempt; None before its first."""
    beat = read(folder)
    with suppress(RecordError):
        return beat if beat and beat.attempt == lease.latest(folder) else None
    return None


def check_alone(folder: Path, *, seconds: float = SECONDS, sleep: Callable[[float], None] = time.sleep) -> None:
    """Check that no other driver of a study is alive; the caller holds the study's lock.

    The lock does not keep another driver out where its file was removed, or on a storage whose locks other nodes do not
    see. The last heartbeat may also be of a driver that was killed: one of this node is looked up by its process, one
    of another node is watched for the time in which the next heartbeat must come.

    Raises:
        StudyError: another driver writes heartbeats.
    """
    first = read(folder)
    if first is None or _is_gone(first):
        return
    who = f"process {first.process} on {first.node}"
    LOG.info(f"the last heartbeat is of {who}; waiting {INTERVALS * seconds:.0f}s for the next, which must not come")
    for _ in range(round(INTERVALS * 10)):
        sleep(seconds / 10)
        now = read(folder)
        if now and now.at != first.at:
            raise StudyError(
                f"{folder}: one driver at a time must run, but {who} writes heartbeats there, although its lock is not "
                "held (was .lock removed?); stop it, or wait until it ends, then resume the study"
            )


def _is_gone(beat: Beat) -> bool:
    """Return True if the process of a heartbeat has ended for sure, or was silent for long."""
    if abs((datetime.now(UTC) - datetime.fromisoformat(beat.at)).total_seconds()) > FRESH:
        return True
    if beat.node != socket.gethostname():
        return False
    if beat.process == os.getpid():
        return True
    try:
        os.kill(beat.process, 0)
    except (ProcessLookupError, OverflowError, ValueError):
        return True
    except PermissionError:
        return False
    return False


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
    with suppress(OSError, RecordError):
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
