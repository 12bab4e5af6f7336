"""Websocket of a live study: a browser names the version that it shows, and is sent what changed since, when it did.

One task a study reads its folder, whatever number of browsers watch it, and only while one does. An answer is made once
for all browsers with the same version and language. A browser asks again when it has drawn the last answer: a slow one
gets fewer and larger answers, never a queue, and one that comes back after a lost connection misses and repeats none.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket, WebSocketDisconnect

from automl.apps.web.context import Context
from automl.apps.web.live import LiveStudy
from automl.apps.web.rows import Row, Rung, Shown
from automl.apps.web.texts import Texts
from automl.apps.web.texts.watch import WATCH
from automl.study.errors import AutomlError
from automl.study.text import duration
from automl.tracking.report import Language

EVERY_SECONDS: Final = 0.2
"""Between two readings, and so between two answers to one browser."""
IDLE_SECONDS: Final = 10.0
"""After which an answer without rows is sent, so that a browser that is gone is noticed."""
MOST_DIGITS: Final = 12
MOST_KEPT: Final = 32
"""Answers of one version that are kept; browsers further behind get one of their own."""
REFUSED: Final = 4404
"""Close code: there is no such study."""
UNREADABLE: Final = 4400
"""Close code: the browser sent no version."""


def add(context: Context) -> None:
    """Add the route."""
    feeds: dict[Path, Feed] = {}

    @context.app.websocket("/studies/{name}/live")
    async def follow(websocket: WebSocket, name: str) -> None:
        await websocket.accept()
        try:
            live = await run_in_threadpool(lambda: context.live.study(context.study(name)))
        except AutomlError:
            await websocket.close(REFUSED)
            return
        feed = feeds.setdefault(live.folder, Feed(live))
        try:
            await _answer(websocket, feed, context.language_of(websocket))
        except (WebSocketDisconnect, OSError, asyncio.CancelledError):  # cancelled by the end of the server
            return


async def _answer(websocket: WebSocket, feed: "Feed", language: Language) -> None:
    """Answer a browser until it is gone."""
    async with feed.watched():
        while (asked := await websocket.receive_text()).isdecimal() and len(asked) <= MOST_DIGITS:
            await websocket.send_text(await feed.after(int(asked), language))
    await websocket.close(UNREADABLE)


@dataclass(slots=True)
class Feed:
    """The answers of one study."""

    live: LiveStudy
    idle: float = IDLE_SECONDS
    every: float = EVERY_SECONDS
    watchers: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _reader: asyncio.Task[None] | None = None
    _version: int = 0
    _answers: dict[tuple[int, Language], str] = field(default_factory=dict)
    """Of the present version: version of the browser and language to the answer."""

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Read the study at intervals within the block."""
        self.watchers += 1
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            yield
        finally:
            self.watchers -= 1

    async def after(self, version: int, language: Language) -> str:
        """Return what changed after a version as JSON, once something did; without rows after `idle` seconds."""
        known = version if version <= self.live.shown.version else 0
        try:
            async with asyncio.timeout(self.idle), self._changed:
                await self._changed.wait_for(lambda: self.live.shown.version > known)
        except TimeoutError:
            return json.dumps({"version": known})
        return self._made(known, language)

    async def _read(self) -> None:
        told = 0
        while self.watchers:
            version = await run_in_threadpool(self.live.refresh)
            if version != told:
                told = version
                async with self._changed:
                    self._changed.notify_all()
            await asyncio.sleep(self.every)

    def _made(self, known: int, language: Language) -> str:
        shown = self.live.shown
        if shown.version != self._version or len(self._answers) >= MOST_KEPT:
            self._version = shown.version
            self._answers.clear()
        if (known, language) not in self._answers:
            epochs = self.live.spec.ladder.max_epochs
            self._answers[known, language] = answer(shown, known, epochs=epochs, texts=Texts(language, WATCH))
        return self._answers[known, language]


def answer(shown: Shown, known: int, *, epochs: int, texts: Texts) -> str:
    """Return the rows, curves and rungs that changed after the known version, as JSON.

    A row is `[number, cells, state, value, place, points]`: the curve is replaced from the place on. The last cell, the
    params, is sent once.
    """
    rows = [_row(row, known, epochs=epochs, texts=texts) for row in shown.after(known)]
    plain = {"version": shown.version, "rows": rows, "rungs": [[one.epoch, _rung(one)] for one in shown.rungs]}
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _row(row: Row, known: int, *, epochs: int, texts: Texts) -> list[Any]:
    value = "" if row.value is None else f"{row.value:.4f}"
    why = texts.named("why", row.reason) if row.reason else ""
    cells = [
        str(row.number),
        texts.named("trial", row.state),
        f"{row.epoch}/{epochs}",
        value,
        duration(row.seconds),
        why,
    ]
    at, points = row.points_after(known)
    return [row.number, [*cells, row.params] if row.since > known else cells, row.state, row.value, at, points]


def _rung(one: Rung) -> list[str]:
    return [str(one.epoch), str(one.reached), str(one.further), "" if one.best is None else f"{one.best:.4f}"]
