"""Request bodies in memory: bounded in length, time and number of bytes held."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from automl.apps.serve.refusal import RequestError

MAX_BYTES: Final = 32 * 1024 * 1024
MAX_HELD_BYTES: Final = 32 * 1024 * 1024
"""Maximum bytes of all bodies at once; more wait for the complete ones, or take the place of incomplete ones."""
BODY_SECONDS: Final = 30.0
"""Timeout of a body, in seconds."""


@dataclass(eq=False, slots=True)
class _Body:
    limit: asyncio.Timeout
    copies: int = 1
    """How often its bytes may be in memory."""
    content: bytearray = field(default_factory=bytearray)
    dropped: bool = False

    @property
    def held(self) -> int:
        return len(self.content) * self.copies


class Bodies:
    """Bytes of request bodies in memory, bounded over all requests of the one event loop.

    Where there is no room, a body waits until those that are complete were answered. Where only incomplete ones take
    the room, the one that began first is dropped, so that a client that sends much and then stops holds back no other.
    """

    def __init__(self) -> None:
        self._held = 0
        self._freed = asyncio.Event()
        self._incomplete: dict[_Body, None] = {}
        """In order of their beginning."""

    @asynccontextmanager
    async def read(self, parts: AsyncIterable[bytes], *, copies: int = 1) -> AsyncIterator[bytearray]:
        """Read a body; it counts until the end of the block, `copies` times, and may be as much shorter.

        Raises:
            RequestError: it is too long (413), too slow (408), or too many bytes are in memory (503).
        """
        body = _Body(asyncio.timeout(BODY_SECONDS), copies)
        try:
            await self._fill(body, parts)
            yield body.content
        finally:
            self._held -= body.held
            self._tell()

    async def _fill(self, body: _Body, parts: AsyncIterable[bytes]) -> None:
        try:
            async with body.limit:
                self._incomplete[body] = None
                async for part in parts:
                    await self._add(body, part)
        except TimeoutError:
            if not body.dropped:
                raise RequestError(408, f"a body must arrive within {BODY_SECONDS:g} s") from None
        finally:
            self._incomplete.pop(body, None)
        if body.dropped:
            raise RequestError(503, f"at most {MAX_HELD_BYTES} bytes of images are held at once; try again")

    async def _add(self, body: _Body, part: bytes) -> None:
        if len(body.content) + len(part) > (most := MAX_BYTES // body.copies):
            raise RequestError(413, f"{'an image' if body.copies == 1 else 'a body'} must have at most {most} bytes")
        while self._held + len(part) * body.copies > MAX_HELD_BYTES and not body.dropped:
            if self._held > sum(one.held for one in self._incomplete):
                await self._freed.wait()
            else:
                self._drop(next(iter(self._incomplete)))
        if not body.dropped:
            body.content += part
            self._held += len(part) * body.copies

    def _tell(self) -> None:
        """Wake the bodies that wait for room."""
        self._freed.set()
        self._freed = asyncio.Event()

    def _drop(self, body: _Body) -> None:
        del self._incomplete[body]
        body.dropped = True
        self._held -= body.held
        body.content = bytearray()
        self._tell()
        body.limit.reschedule(asyncio.get_running_loop().time())
