"""Decoding and detection in threads: bounded in number, memory and waiting time."""

import asyncio
import ctypes
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
from anyio import CapacityLimiter, to_thread

from automl.apps.serve.detector import Detector, workers
from automl.apps.serve.images import LargeImageError, Limits, decode
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds
from automl.study.text import one_line

SMALL_BYTES: Final = 16_000_000
"""Images whose decoding takes more wait for each other's memory; 16 MB are 2,666,666 pixels, more than Full HD."""
MAX_WAITING: Final = 64
"""Maximum requests that run or wait for their turn; each has a body in memory."""
WAIT_SECONDS: Final = 30.0
"""Timeout of a request from its complete body to its answer."""
LONGEST_NAME: Final = 80
"""Letters of a file's name in a message."""
DOUBT: Final = "doubt"
"""Key of an answer: how near the served threshold the model's confidence was, 0 to 1; removed before it is sent."""
BUSY: Final = "the server is busy; try again"


def release_memory() -> None:
    """Give freed memory that the C library keeps in its heap back to the system; glibc only, else nothing is done."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Memory:
    """Bytes that large images take at once, bounded; first come, first served. One image is always admitted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Wait until there is room, and take it for the block."""
        async with self._turn:
            while self._taken and self._taken + size > self._most:
                self._freed.clear()
                await self._freed.wait()
            self._taken += size
        try:
            yield
        finally:
            self._taken -= size
            self._freed.set()


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image of a request, and its name for a message; "" for the only one."""

    name: str
    read: Callable[[], bytes | bytearray]
    """Returns its bytes, which decoding may change; called in the thread that decodes them."""


class Detections:
    """Thread pool for decoding and detection."""

    def __init__(self, limits: Limits, *, doubts: bool = False) -> None:
        self._limits, self._doubts = limits, doubts
        self._running, self._large = CapacityLimiter(workers()), Memory(limits.memory)
        self._waiting = 0

    async def found(self, pictures: Sequence[Picture], detector: Detector, wanted: Thresholds) -> list[dict[str, Any]]:
        """Return width, height and boxes of each image, by one detector.

        Raises:
            RequestError: one is no supported image (400), too large (413), or its turn did not come (503).
        """
        if self._waiting + len(pictures) > MAX_WAITING:
            raise RequestError(503, BUSY)
        self._waiting += len(pictures)
        try:
            with anyio.fail_after(WAIT_SECONDS):
                answers = await asyncio.gather(*(self._answer(picture, detector, wanted) for picture in pictures))
        except TimeoutError:
            raise RequestError(503, BUSY) from None
        finally:
            self._waiting -= len(pictures)
        for at, (picture, answer) in enumerate(zip(pictures, answers, strict=True), start=1):
            if isinstance(answer, RequestError):
                raise RequestError(answer.code, f"{_label(picture, at)}{answer.law}")
        return [answer for answer in answers if not isinstance(answer, RequestError)]

    async def _answer(self, picture: Picture, detector: Detector, wanted: Thresholds) -> dict[str, Any] | RequestError:
        """Return the boxes, or why there are none: one image must not end the tasks of the others half done."""
        try:
            return await self._admitted(picture, detector, wanted)
        except RequestError as error:
            return error

    async def _admitted(self, picture: Picture, detector: Detector, wanted: Thresholds) -> dict[str, Any]:
        try:
            return await self._run(picture, detector, wanted, most=SMALL_BYTES)
        except LargeImageError as large:
            memory = large.memory
        async with self._large.taken(memory):
            return await self._run(picture, detector, wanted, most=None)

    async def _run(
        self, picture: Picture, detector: Detector, wanted: Thresholds, *, most: int | None
    ) -> dict[str, Any]:
        work = partial(self._found, picture, detector, wanted, most=most)
        return await to_thread.run_sync(work, limiter=self._running)

    def _found(self, picture: Picture, detector: Detector, wanted: Thresholds, *, most: int | None) -> dict[str, Any]:
        if most is None:  # a large image: its memory comes beside what bodies and images before it left in the heap
            release_memory()
        pixels = decode(picture.read(), self._limits, most=most)
        height, width = pixels.shape[:2]
        if not self._doubts:
            return {"width": width, "height": height, "boxes": detector.detect(pixels, wanted)}
        boxes, doubt = detector.detect_with_doubt(pixels, wanted)
        return {"width": width, "height": height, "boxes": boxes, DOUBT: doubt}


def _label(picture: Picture, at: int) -> str:
    return f"image {at} ({one_line(picture.name)[:LONGEST_NAME]}): " if picture.name else ""
