"""Reaper: waits until a trial's worker has ended, then ends every process that the trial has left.

Run as a script, `python -I -S reaper.py PID STARTED PID STARTED MARK`, in a session of its own, by `guard.py`. The
second process is the worker of Ray: a trial that trains in a process of its own ends with it. There is one reaper for
each running trial, so it imports next to nothing: 12 ms to start and 3.3 MB of its own memory (7 MB with the
interpreter's shared pages); `typing` alone would make that 21 ms. Ray ends a worker's children and its process
group; torch elastic gives each rank its own session, and those continue to train if its launcher is killed.
"""

from __future__ import annotations

import os
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "AUTOML_TRIAL"
"""The environment variable that all processes of a trial inherit: the mark of its folder and of this attempt."""
LOOK_SECONDS = 2.0
"""Poll interval of the worker's descendants: a process forked without exec has the worker's initial environment,
without the mark, and is identified by its parents alone."""
GRACE_SECONDS = 3.0
"""From SIGTERM to SIGKILL."""
STEP_SECONDS = 0.1
TERMINATE, KILL = 15, 9

Process = tuple[int, int]
"""Process id and start time: an id alone may be reused."""
Stat = tuple[int, int]
"""Parent and process group."""


def main(mark: str, worker: Process, *others: Process) -> None:
    """Wait for the first of some processes to end, then end the worker, its descendants and marked processes."""
    family = watched(worker, *others) | {worker}
    table = processes()
    group = {process for process, (_, leader) in table.items() if leader == worker[0] and process != worker}
    end(lambda: left(mark, family | group))


def watched(worker: Process, *others: Process) -> set[Process]:
    """Return all living descendants of the worker, once it or another one has ended."""
    family: set[Process] = set()
    wait = waiter(worker[0], *(pid for pid, _ in others))
    while all(start_of(pid) == started for pid, started in (worker, *others)):
        table = processes()
        family = (family & table.keys()) | below(table, {worker} | family)
        wait(LOOK_SECONDS)
    return family


def waiter(*pids: int) -> Callable[[float], object]:
    """Return a function that waits for the end of one of some processes, at most some seconds."""
    try:
        poll = select.poll()
        for pid in pids:
            poll.register(os.pidfd_open(pid), select.POLLIN)
    except OSError:  # ended already, or a kernel older than 5.3
        return lambda seconds: time.sleep(min(seconds, STEP_SECONDS * 5))
    return lambda seconds: poll.poll(seconds * 1000)


def end(find: Callable[[], set[Process]], *, seconds: float = float("inf")) -> bool:
    """End all processes from `find`, SIGTERM then SIGKILL, until two scans find none; False if some stay."""
    signalled: dict[Process, float] = {}
    begun, empty = time.monotonic(), 0
    while empty < 2:  # a process that is forked during the first scan is found by the second
        now = time.monotonic()
        if now - begun > seconds:
            return False
        found = find()
        empty = 0 if found else empty + 1
        for process in found:
            since = now - signalled.setdefault(process, now)
            if since == 0 or since >= GRACE_SECONDS:
                send(process, KILL if since else TERMINATE)
        # An unkillable process, e.g. one that waits for a dead disk, is waited for.
        time.sleep(STEP_SECONDS if now - begun < 10 * GRACE_SECONDS else LOOK_SECONDS)
    return True


def left(mark: str, known: set[Process]) -> set[Process]:
    """Return the living processes that are marked or known, and their descendants; never this one."""
    table = processes()
    roots = {process for process in table if process in known or marked(process[0], mark)}
    return {process for process in roots | below(table, roots) if process[0] != os.getpid()}


def marked(pid: int, mark: str) -> bool:
    """Return True if a process was started with a mark of this prefix."""
    return f"\0{VARIABLE}={mark}".encode() in b"\0" + read(f"/proc/{pid}/environ")


def below(table: dict[Process, Stat], roots: set[Process]) -> set[Process]:
    """Return all descendants of some processes, as far as their parents still live."""
    children: dict[int, list[Process]] = {}
    for process, (parent, _) in table.items():
        children.setdefault(parent, []).append(process)
    found: set[Process] = set()
    reached = list(roots)
    while reached:
        new = [child for child in children.get(reached.pop()[0], ()) if child not in found]
        found.update(new)
        reached.extend(new)
    return found


def processes() -> dict[Process, Stat]:
    """Return all processes of the machine, excluding zombies."""
    table = {}
    for name in os.listdir("/proc"):  # noqa: PTH208  (pathlib alone would double the time to start)
        if name.isdigit() and (fields := stat(int(name))):
            table[int(name), int(fields[19])] = int(fields[1]), int(fields[2])
    return table


def start_of(pid: int) -> int:
    """Return a process's start time in clock ticks; 0 if it has ended."""
    fields = stat(pid)
    return int(fields[19]) if fields else 0


def stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat after the name, which may contain spaces; empty for a dead process."""
    fields = read(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
    return [] if not fields or fields[0] in {b"Z", b"X"} else fields


def read(path: str) -> bytes:
    """Return a file's content, empty if it is missing or unreadable."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def send(process: Process, number: int) -> None:
    """Send a signal to a process, unless its id was reused."""
    try:
        if start_of(process[0]) == process[1]:
            os.kill(process[0], number)
    except (ProcessLookupError, PermissionError):
        pass


if __name__ == "__main__":
    # Ray ends the children of a worker that ends; fork so that this one has another parent.
    if os.fork():
        os._exit(0)
    numbers = [int(word) for word in sys.argv[1:-1]]
    main(sys.argv[-1], *zip(numbers[::2], numbers[1::2], strict=True))
