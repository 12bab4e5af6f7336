"""Ways to end this process at once, whatever its main thread waits for: all that counts is in the journal by then."""

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_SECONDS: Final = 25.0
"""From the signal to the end of the process. Tune gives a worker that does not answer 15 s, and then kills it."""
STOPPED: Final = 128 + signal.SIGINT
SHOW_CURSOR: Final = b"\x1b[?25h"


def leave(said: str, code: int, *, to: int) -> NoReturn:
    """Say one thing on a file descriptor and end the process; nothing else of it runs."""
    with suppress(OSError):
        os.write(to, (SHOW_CURSOR if os.isatty(to) else b"") + f"automl: {said}\n".encode())
    os._exit(code)


@contextmanager
def bounded(seconds: float = STOP_SECONDS) -> Iterator[None]:
    """End the process this long after the first signal that asks for a stop, unless the block has ended by then.

    The signal is heard by Python's C handler and a thread: the main thread may wait in Ray, where no Python runs.
    """
    said_to, (reading, writing) = os.dup(2), os.pipe()
    os.set_blocking(writing, False)
    thread = threading.Thread(target=_wait, args=(reading, seconds, said_to), daemon=True)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        thread.join()
        os.close(reading)
        os.close(said_to)


def _wait(reading: int, seconds: float, said_to: int) -> None:
    """Leave some seconds after a stop signal; return when the other end is closed."""
    while heard := os.read(reading, 1):
        if heard[0] in STOP_SIGNALS:
            break
    else:
        return
    # Further signals may come; only the closed end, readable without a byte, calls this off.
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0] and not os.read(reading, 1):
            return
    leave(f"stopped without an answer from Ray for {seconds:.0f} s; nothing is lost", STOPPED, to=said_to)
