"""Ray's thread that listens for errors does not poll a store that is away without a pause."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ray._private import worker as ray_worker

from automl.cluster import error_listener
from automl.cluster.error_listener import PAUSE, Subscriber

ERROR = {"job_id": None, "error_message": "a node is lost", "type": "x"}


class Store:
    """Stands for Ray's subscriber: answers as told, nothing if there is no store, then has its thread end."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.calls, self.stopped = [*answers], list[str](), threading.Event()

    def subscribe(self) -> None:
        self.calls.append("subscribe")

    def poll(self) -> tuple[Any, Any]:
        self.calls.append("poll")
        found = self.answers.pop(0)
        if not self.answers:
            self.stopped.set()
        return b"", found

    def close(self) -> None:
        self.calls.append("close")


class Waits(threading.Event):
    """An event that keeps for how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return False


def test_only_a_poll_without_an_answer_is_followed_by_a_pause() -> None:
    store, stopped = Store(None, ERROR, None, None), Waits()
    polled = Subscriber(store, stopped)
    assert [(polled.poll()[1], len(stopped.seconds)) for _ in range(4)] == [(None, 1), (ERROR, 1), (None, 2), (None, 3)]
    assert set(stopped.seconds) == {PAUSE}


def test_the_thread_of_ray_polls_with_pauses_and_its_function_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(ray_worker, "print_to_stdstream", lambda data, **_: shown.append(data))
    monkeypatch.setattr(ray_worker, "_internal_kv_initialized", lambda: False)
    before, store = ray_worker.listen_error_messages, Store(None, ERROR, None)
    joined = SimpleNamespace(gcs_error_subscriber=store, current_job_id=SimpleNamespace(binary=lambda: b"1"))
    with error_listener.patient():
        listen = vars(ray_worker)["listen_error_messages"]
        listen(joined, store.stopped)
    joined.gcs_error_subscriber.close()
    assert isinstance(joined.gcs_error_subscriber, Subscriber)
    assert store.calls == ["subscribe", "poll", "poll", "poll", "close"]
    assert len(shown) == 1
    assert ray_worker.listen_error_messages is before
