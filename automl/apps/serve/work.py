"""Decoding and detection in threads: bounded in number, memory and waiting time."""

import asyncio
import ctypes
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from anyio import CapacityLimiter, to_thread

from automl.apps.serve.detector import Detector, workers
from automl.apps.serve.images import LargeImageError, Limits, decode
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds

SMALL_BYTES: Final = 16_000_000
"""Images whose decoding takes more wait for each other's memory; 16 MB are 2,666,666 pixels, more than Full HD."""
MAX_WAITING: Final = 64
"""Maximum requests that run or wait for their turn; each has a body in memory."""
WAIT_SECONDS: Final = 30.0
"""Timeout of a request from its complete body to its answer."""
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


class Detections:
    """Thread pool for decoding and detection."""

    def __init__(self, detector: Detector, limits: Limits) -> None:
        self._detector, self._limits = detector, limits
        self._running, self._large = CapacityLimiter(workers()), Memory(limits.memory)
        self._waiting = 0

    async def found(self, content: bytes | bytearray, wanted: Thresholds) -> dict[str, Any]:
        """Return width, height and boxes of an encoded image.

        Raises:
            RequestError: it is no supported image (400), too large (413), or its turn did not come (503).
        """
        if self._waiting >= MAX_WAITING:
            raise RequestError(503, BUSY)
        self._waiting += 1
        try:
            with anyio.fail_after(WAIT_SECONDS):
                return await self._admitted(content, wanted)
        except TimeoutError:
            raise RequestError(503, BUSY) from None
        finally:
            self._waiting -= 1

    async def _admitted(self, content: bytes | bytearray, wanted: Thresholds) -> dict[str, Any]:
        try:
            return await self._run(content, wanted, SMALL_BYTES)
        except LargeImageError as large:
            memory = large.memory
        async with self._large.taken(memory):
            return await self._run(content, wanted, None)

    async def _run(self, content: bytes | bytearray, wanted: Thresholds, most: int | None) -> dict[str, Any]:
        return await to_thread.run_sync(self._found, content, wanted, most, limiter=self._running)

    def _found(self, content: bytes | bytearray, wanted: Thresholds, most: int | None) -> dict[str, Any]:
        if most is None:  # a large image: its memory comes beside what bodies and images before it left in the heap
            release_memory()
        picture = decode(content, self._limits, most=most)
        height, width = picture.shape[:2]
        return {"width": width, "height": height, "boxes": self._detector.detect(picture, wanted)}
