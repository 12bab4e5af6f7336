"""Decoding and detection: bounded in number, memory and time; whoever waits too long is told so."""

import asyncio
import threading
import time
from typing import Any

import cv2
import numpy as np
import pytest

from automl.apps.serve import work
from automl.apps.serve.detector import workers
from automl.apps.serve.images import Limits
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds
from automl.apps.serve.work import Detections, Memory, Picture

PICTURE = cv2.imencode(".png", np.zeros((20, 30, 3), np.uint8))[1].tobytes()


class Counting:
    """A detector that counts how many run at once."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds, self.running, self.most, self.lock = seconds, 0, 0, threading.Lock()

    def detect(self, _picture: Any, _wanted: Thresholds) -> list[dict[str, Any]]:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        time.sleep(self.seconds)
        with self.lock:
            self.running -= 1
        return []


def answers(detector: Any, count: int, limits: Limits | None = None) -> list[object]:
    async def asked() -> list[object]:
        found = Detections(limits or Limits())
        one = [Picture("", lambda: PICTURE)]
        requests = (found.found(one, detector, Thresholds()) for _ in range(count))
        results = await asyncio.gather(*requests, return_exceptions=True)
        return [result[0] if isinstance(result, list) else result for result in results]

    return asyncio.run(asked())


def test_a_bounded_number_runs_at_once() -> None:
    detector = Counting()
    assert answers(detector, 20) == [{"width": 30, "height": 20, "boxes": []}] * 20
    assert detector.most <= workers()


def test_large_images_share_one_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "workers", lambda: 4)
    monkeypatch.setattr(work, "SMALL_BYTES", 1)
    detector = Counting()
    assert len(answers(detector, 8, Limits(1000))) == 8  # 7,000 bytes; one picture takes 3,600
    assert detector.most == 1


def test_no_more_than_a_bounded_number_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MAX_WAITING", 3)
    found = answers(Counting(), 5)
    assert [str(error) for error in found if isinstance(error, RequestError)] == [work.BUSY] * 2


def test_no_request_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "workers", lambda: 1)
    monkeypatch.setattr(work, "WAIT_SECONDS", 0.05)
    found = answers(Counting(0.2), 3)
    assert [error.code for error in found if isinstance(error, RequestError)].count(503) >= 2


def batch(*contents: bytes) -> list[dict[str, Any]]:
    async def asked() -> list[dict[str, Any]]:
        pictures = [Picture(f"{at}.png", lambda content=content: content) for at, content in enumerate(contents)]  # type: ignore[misc]
        detector: Any = Counting()
        return await Detections(Limits()).found(pictures, detector, Thresholds())

    return asyncio.run(asked())


def test_a_batch_is_answered_in_its_order() -> None:
    contents = [cv2.imencode(".png", np.zeros((20, width, 3), np.uint8))[1].tobytes() for width in range(30, 40)]
    assert [one["width"] for one in batch(*contents)] == list(range(30, 40))


def test_an_image_of_a_batch_that_is_none_is_named() -> None:
    with pytest.raises(RequestError, match=r"image 2 \(1\.png\): the body must be an image"):
        batch(PICTURE, b"rubbish", PICTURE)


def test_a_batch_that_does_not_fit_is_refused_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "MAX_WAITING", 2)
    with pytest.raises(RequestError, match=work.BUSY):
        batch(PICTURE, PICTURE, PICTURE)


def test_memory_is_taken_in_order_and_one_is_always_admitted() -> None:
    async def order() -> list[str]:
        memory, said = Memory(10), []

        async def one(name: str, size: int) -> None:
            async with memory.taken(size):
                said.append(name)
                await asyncio.sleep(0.01)

        await asyncio.gather(one("first", 6), one("huge", 99), one("last", 4))
        return said

    assert asyncio.run(order()) == ["first", "huge", "last"]
