"""Immediate process exit, whatever the main thread waits for; safe, since the state is in the journal."""

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

from automl.study.text import one_line

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_SECONDS: Final = 25.0
"""Seconds from the signal to the exit. Tune kills a worker that does not answer after 15 s."""
STOPPED: Final = 128 + signal.SIGINT
SHOW_CURSOR: Final = b"\x1b[?25h"
NOTICE_SECONDS: Final = 12.0
"""Limit of all notices of an exit; a look-up of a name has no limit of its own."""
NOTICES: Final[list[Callable[[str, int], object]]] = []
_EXITING: Final = threading.Lock()
"""Held by the thread that ends the process, until its end."""


@contextmanager
def noticed(notice: Callable[[str, int], object]) -> Iterator[None]:
    """Call a function with message and code, from another thread, if the process exits at once during a block."""
    NOTICES.append(notice)
    try:
        yield
    finally:
        NOTICES.remove(notice)


def exit_with(message: str, code: int, *, to: int) -> NoReturn:
    """Write a message to a file descriptor, give the notices some seconds, and exit without clean-up."""
    _EXITING.acquire()  # a second thread that wants to exit waits for the first one's notices
    with suppress(OSError):
        os.write(to, (SHOW_CURSOR if os.isatty(to) else b"") + f"automl: {one_line(message)}\n".encode())
    deadline = time.monotonic() + NOTICE_SECONDS
    threads = [threading.Thread(target=notice, args=(message, code), daemon=True) for notice in NOTICES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    os._exit(code)


@contextmanager
def bounded(seconds: float = STOP_SECONDS) -> Iterator[None]:
    """Exit this many seconds after the first stop signal, unless the block has ended by then.

    Python's C signal handler wakes a thread: the main thread may wait inside Ray, where no Python code runs.
    """
    stderr, (reading, writing) = os.dup(2), os.pipe()
    os.set_blocking(writing, False)
    thread = threading.Thread(target=_wait, args=(reading, seconds, stderr), daemon=True)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        thread.join()
        os.close(reading)
        os.close(stderr)


def _wait(reading: int, seconds: float, stderr: int) -> None:
    """Exit some seconds after a stop signal; return if the other end is closed."""
    while received := os.read(reading, 1):
        if received[0] in STOP_SIGNALS:
            break
    else:
        return
    # Further signals may come; only the closed end, readable without a byte, cancels the exit.
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0] and not os.read(reading, 1):
            return
    exit_with(f"stopped: no answer from Ray for {seconds:.0f} s; nothing is lost", STOPPED, to=stderr)
