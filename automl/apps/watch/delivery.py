"""Delivery of records to another system: a bounded queue and a thread for each receiver, which is tried again."""

import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Protocol

from automl.apps.watch.address import Address

LOG: Final = logging.getLogger(__name__)

MOST: Final = 100
"""Records that wait for a receiver; then the oldest make way for new ones, or a file that is read waits."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts; each is twice as long as the one before."""

Record = Mapping[str, Any]


class ReceiverError(Exception):
    """A receiver that did not take a record; the message tells why, without passwords."""


class Receiver(Protocol):
    """A system that takes records."""

    @property
    def address(self) -> Address:
        """Where it is, for messages."""

    def send(self, record: Record) -> None:
        """Deliver a record; connect where there is no connection.

        Raises:
            ReceiverError: it was not delivered.
        """

    def close(self) -> None:
        """End the connection."""


class Delivery:
    """Records for one receiver."""

    def __init__(self, receiver: Receiver, *, live: bool, first_pause: float = FIRST_PAUSE) -> None:
        """Start the thread. From a live source the oldest records make way; a file waits instead."""
        self._receiver, self._live, self._first_pause = receiver, live, first_pause
        self._queue: deque[Record] = deque()
        self._state = threading.Condition()
        self._ends = threading.Event()
        self.delivered = self.dropped = 0
        self._thread = threading.Thread(target=self._deliver, name="delivery", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Add a record to the queue; nothing waits for a thread that has failed, and `finish` says what is left."""
        with self._state:
            while len(self._queue) >= MOST and not self._live and self._thread.is_alive():
                self._state.wait(1.0)
            if len(self._queue) >= MOST:
                self._queue.popleft()
                self.dropped += 1
            self._queue.append(record)
            self._state.notify_all()

    def finish(self, *, seconds: float) -> int:
        """Wait for the queue, end the thread, and return how many records were not delivered."""
        with self._state:
            self._state.wait_for(lambda: not self._queue or not self._thread.is_alive(), timeout=seconds)
            left = len(self._queue) + self.dropped
            self._ends.set()
            self._state.notify_all()
        self._thread.join(self._first_pause)
        return left

    def _deliver(self) -> None:
        pause, failed = self._first_pause, False
        while (record := self._next()) is not None:
            try:
                self._receiver.send(record)
            except ReceiverError as error:
                if not failed:
                    LOG.warning(f"{self._receiver.address}: must take records, but {error}; tried again")
                failed = True
                self._ends.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            if failed:
                LOG.info(f"{self._receiver.address}: takes records again; {self.dropped} were dropped so far")
            pause, failed = self._first_pause, False
            with self._state:
                if self._queue and self._queue[0] is record:
                    self._queue.popleft()
                self.delivered += 1
                self._state.notify_all()
        self._receiver.close()

    def _next(self) -> Record | None:
        """Return the oldest record, which stays in the queue until it is delivered; None at the end."""
        with self._state:
            while not self._queue and not self._ends.is_set():
                self._state.wait(1.0)
            return None if self._ends.is_set() else self._queue[0]
