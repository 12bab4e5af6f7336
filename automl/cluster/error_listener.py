"""Ray's listener for errors on a driver: while the control store is away, it asks again at intervals, not at once.

Ray 2.60 polls the store in a thread of the driver (`listen_error_messages`). A poll waits in the store for a message;
if no store answers, it returns nothing at once, and the thread polls again. That took two thirds of a CPU core for as
long as the store was away, beside the threads that write results and watch the store.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from ray._private import worker as ray_worker

PAUSE: Final = 0.5
"""Seconds until the next poll, if one returned nothing."""


@contextmanager
def patient() -> Iterator[None]:
    """Let a driver that joins a cluster during a block poll with pauses, as long as it is connected."""
    original = ray_worker.listen_error_messages

    def listen(worker: Any, threads_stopped: threading.Event) -> None:  # noqa: ANN401
        worker.gcs_error_subscriber = Subscriber(worker.gcs_error_subscriber, threads_stopped)
        original(worker, threads_stopped)

    vars(ray_worker)["listen_error_messages"] = listen
    try:
        yield
    finally:
        vars(ray_worker)["listen_error_messages"] = original


class Subscriber:
    """A subscriber of Ray's whose poll takes a while if there is nothing, or until its thread is to end."""

    def __init__(self, original: Any, stopped: threading.Event) -> None:  # noqa: ANN401
        self._original, self._stopped = original, stopped

    def subscribe(self) -> None:
        """Subscribe at the store."""
        self._original.subscribe()

    def poll(self) -> tuple[Any, Any]:
        """Return the source of the next message and the message, or nothing."""
        source, message = self._original.poll()
        if message is None:
            self._stopped.wait(PAUSE)
        return source, message

    def close(self) -> None:
        """End the subscription."""
        self._original.close()
