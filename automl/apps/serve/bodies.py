"""Request bodies in memory: bounded in length, time and number of bytes held."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from automl.apps.serve.refusal import RequestError

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_HELD_BYTES: Final = 40 * 1024 * 1024
"""Maximum bytes of all bodies at once; more, and the incomplete body that began first is dropped."""
BODY_SECONDS: Final = 30.0
"""Timeout of a body, in seconds."""


@dataclass(eq=False, slots=True)
class _Body:
    limit: asyncio.Timeout
    content: bytearray = field(default_factory=bytearray)
    dropped: bool = False


class Bodies:
    """Bytes of request bodies in memory, bounded over all requests of the one event loop.

    A client that sends much and then stops holds back no other: its body is the first to be dropped.
    """

    def __init__(self) -> None:
        self._held = 0
        self._incomplete: dict[_Body, None] = {}
        """In order of their beginning."""

    @asynccontextmanager
    async def read(self, parts: AsyncIterable[bytes]) -> AsyncIterator[bytearray]:
        """Read a body; it counts until the end of the block.

        Raises:
            RequestError: it is too long (413), too slow (408), or too many bytes are in memory (503).
        """
        body = _Body(asyncio.timeout(BODY_SECONDS))
        try:
            await self._fill(body, parts)
            yield body.content
        finally:
            self._held -= len(body.content)

    async def _fill(self, body: _Body, parts: AsyncIterable[bytes]) -> None:
        try:
            async with body.limit:
                self._incomplete[body] = None
                async for part in parts:
                    self._add(body, part)
        except TimeoutError:
            if not body.dropped:
                raise RequestError(408, f"a body must be here within {BODY_SECONDS:g} s") from None
        finally:
            self._incomplete.pop(body, None)
        if body.dropped:
            raise RequestError(503, f"at most {MAX_HELD_BYTES} bytes of images are held at once; try again")

    def _add(self, body: _Body, part: bytes) -> None:
        if body.dropped:
            return
        if len(body.content) + len(part) > MAX_BYTES:
            raise RequestError(413, f"an image must have at most {MAX_BYTES} bytes")
        body.content += part
        self._held += len(part)
        while self._held > MAX_HELD_BYTES and not body.dropped:
            self._drop(next(iter(self._incomplete)))

    def _drop(self, body: _Body) -> None:
        del self._incomplete[body]
        body.dropped = True
        self._held -= len(body.content)
        body.content = bytearray()
        body.limit.reschedule(asyncio.get_running_loop().time())
