"""Delivery: in order, tried again after a failure that is logged once; live sources never wait for a receiver."""

import logging
import threading
from typing import Any

import pytest

from automl.apps.watch import delivery
from automl.apps.watch.address import Address
from automl.apps.watch.delivery import Delivery, ReceiverError


class Flaky:
    """A receiver that fails a number of times, then takes everything; `gate` holds it up."""

    address = Address("http://user:secret@host/x")

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.taken, self.closed = failures, [], False
        self.gate = threading.Event()
        self.gate.set()

    taken: list[Any]

    def send(self, record: Any) -> None:
        self.gate.wait(10)
        if self.failures:
            self.failures -= 1
            raise ReceiverError("answered 500")
        self.taken.append(record["n"])

    def close(self) -> None:
        self.closed = True


def test_records_arrive_in_order_and_a_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    receiver = Flaky(failures=3)
    sent = Delivery(receiver, live=False, first_pause=0.01)
    for number in range(10):
        sent.put({"n": number})
    assert sent.finish(seconds=300) == 0
    assert receiver.taken == list(range(10))
    assert receiver.closed
    assert [record.getMessage() for record in caplog.records] == [
        "http://***@host/x: must take records, but answered 500; tried again",
        "http://***@host/x: takes records again; 0 were dropped so far",
    ]


def test_a_live_source_drops_the_oldest_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MOST", 3)
    receiver = Flaky()
    receiver.gate.clear()
    sent = Delivery(receiver, live=True)
    for number in range(10):
        sent.put({"n": number})
    receiver.gate.set()
    assert sent.finish(seconds=300) >= 6
    assert receiver.taken[-3:] == [7, 8, 9]
    assert sent.dropped in {6, 7}


def test_a_file_waits_for_a_slow_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MOST", 3)
    receiver = Flaky(failures=2)
    sent = Delivery(receiver, live=False, first_pause=0.01)
    for number in range(20):
        sent.put({"n": number})
    assert sent.finish(seconds=300) == 0
    assert receiver.taken == list(range(20))


def test_what_was_not_delivered_is_counted() -> None:
    receiver = Flaky(failures=10**9)
    sent = Delivery(receiver, live=False, first_pause=0.01)
    for number in range(5):
        sent.put({"n": number})
    assert sent.finish(seconds=0.1) == 5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_failed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MOST", 3)

    class Broken(Flaky):
        def send(self, record: Any) -> None:
            raise LookupError(record)

    sent = Delivery(Broken(), live=False)
    for number in range(10):
        sent.put({"n": number})
    assert sent.finish(seconds=300) == 10
