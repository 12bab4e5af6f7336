"""Answers of the websocket of a live study: one made for all, only what changed, nothing lost by a slow browser."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from automl.apps.web import live_socket
from automl.apps.web.context import Context
from automl.apps.web.jobs import Jobs
from automl.apps.web.live import LiveStudies, LiveStudy
from automl.apps.web.live_socket import Feed
from automl.storage.journal import Journal
from automl.storage.place import Place
from automl.study.load import dump
from automl.tracking.report import Language
from tests.builders import METRIC, measurement, spec_of

SPEC = spec_of(name="parts", ladder={"min_epochs": 3, "max_epochs": 9})


class Browser:
    """What the page keeps of the answers, as `automl.live` in web.js does."""

    def __init__(self) -> None:
        self.version = 0
        self.cells: dict[int, list[str]] = {}
        self.curves: dict[int, list[Any]] = {}

    def take(self, text: str) -> None:
        found = json.loads(text)
        self.version = found["version"]
        for number, cells, _state, _value, at, points in found.get("rows", ()):
            kept = self.cells.setdefault(number, cells)
            kept[: len(cells)] = cells
            self.curves[number] = [*self.curves.get(number, [])[:at], *points]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    folder = tmp_path / "runs/parts"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(dump(SPEC))
    journal = Journal.create(folder, name="parts", metric=METRIC)
    for number in range(3):
        journal.suggested(SPEC.search_space.defaults(), SPEC.search_space, seed=number, origin="model")
    return journal


def test_a_slow_browser_sees_the_same_as_a_fast_one(journal: Journal, tmp_path: Path) -> None:
    now = [0.0]
    live = LiveStudy(tmp_path / "runs/parts", SPEC, clock=lambda: now[0])
    feed, fast, slow, late = Feed(live), Browser(), Browser(), Browser()

    async def watch() -> None:
        for epoch in range(1, 4):
            journal.measured(epoch % 2, measurement(epoch, epoch / 10), node="n")
            now[0] += 1
            live.refresh()
            fast.take(await feed.after(fast.version, Language.EN))
            if epoch == 1:
                slow.take(await feed.after(slow.version, Language.EN))
        answer = await feed.after(slow.version, Language.EN)
        assert [row[0] for row in json.loads(answer)["rows"]] == [0, 1], "only rows that changed"
        assert [len(row[1]) for row in json.loads(answer)["rows"]] == [6, 6], "params are sent once"
        slow.take(answer)
        late.take(await feed.after(99, Language.EN))

    asyncio.run(watch())
    assert fast.cells == slow.cells == late.cells
    assert fast.curves == slow.curves == late.curves == {0: [[2, 0.2]], 1: [[1, 0.1], [3, 0.3]], 2: []}
    assert "lr0" in fast.cells[0][6]


def test_an_answer_is_made_once_for_all_browsers_of_a_version(journal: Journal, tmp_path: Path) -> None:
    live = LiveStudy(tmp_path / "runs/parts", SPEC)
    live.refresh()
    feed = Feed(live, idle=0.01)

    async def ask() -> list[str]:
        return [await feed.after(0, Language.EN), await feed.after(0, Language.EN), await feed.after(1, Language.EN)]

    first, second, idle = asyncio.run(ask())
    assert first is second
    assert len(json.loads(first)["rows"]) == len(journal.trials())
    assert json.loads(idle) == {"version": 1}


def test_the_route_answers_a_version_and_refuses_anything_else(journal: Journal, tmp_path: Path) -> None:
    app = FastAPI()
    place = Place(tmp_path)
    live_socket.add(Context(app, place, Jobs(tmp_path), LiveStudies()))
    with TestClient(app) as client:
        with client.websocket_connect("/studies/parts/live") as socket:
            socket.send_text("0")
            assert len(json.loads(socket.receive_text())["rows"]) == len(journal.trials())
            socket.send_text("-1")
            assert socket.receive()["code"] == live_socket.UNREADABLE
        with client.websocket_connect("/studies/none/live") as socket:
            assert socket.receive()["code"] == live_socket.REFUSED
