"""`POST /feedback` keeps a picture with a person's verdict; unsure pictures of `/predict` are kept by themselves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fastapi.testclient import TestClient

from automl.apps.serve import service, version
from automl.apps.serve.field_folder import FieldFolder
from automl.apps.serve.follower import Serving
from automl.apps.serve.thresholds import Thresholds
from tests.apps.serve.test_service import BOX, HERE, fake, picture, registry

__all__ = ["fake", "registry"]


class UnsureDetector:
    provider, size = "CPUExecutionProvider", 32
    names: ClassVar[dict[int, str]] = {0: "hole"}

    def __init__(self, _backend: object) -> None:
        pass

    def detect_with_doubt(self, _found: object, _wanted: Thresholds) -> tuple[list[dict[str, Any]], float]:
        return [BOX], 0.8

    detect = check = lambda *_: None


@pytest.fixture
def client(registry: Any, fake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TestClient]:
    assert fake
    monkeypatch.setattr(version, "Detector", UnsureDetector)
    served = Serving(version.load(registry, "champion"))
    with TestClient(service.app(served, field=FieldFolder(tmp_path / "field")), base_url=HERE) as opened:
        yield opened


def notes(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((tmp_path / "field").glob("*.json"))]


def test_an_unsure_picture_is_kept_as_it_was_sent(client: TestClient, tmp_path: Path) -> None:
    sent = picture()
    answer = client.post("/predict", content=sent).json()
    assert answer == {"model": "boards", "version": 1, "width": 30, "height": 20, "boxes": [BOX]}
    (note,) = notes(tmp_path)
    assert (note["why"], note["doubt"], note["boxes"], note["width"]) == ("unsure", 0.8, [BOX], 30)
    assert [path.read_bytes() for path in (tmp_path / "field").glob("*.png")] == [sent]


def test_feedback_is_kept_with_its_verdict_and_boxes(client: TestClient, tmp_path: Path) -> None:
    assert client.post("/feedback?verdict=right", content=picture()).json()["kept"]
    given = {"verdict": "wrong", "boxes": [{"name": "hole", "box": [1, 2, 9, 8]}], "note": "too dark"}
    files = [("image", ("a.png", picture(25))), ("note", ("note.json", json.dumps(given).encode()))]
    assert client.post("/feedback", files=files).status_code == 200
    kept = {note["verdict"]: note for note in notes(tmp_path)}
    assert (kept["wrong"]["given"], kept["wrong"]["note"]) == (given["boxes"], "too dark")
    assert (kept["right"]["model"], kept["right"]["version"], kept["right"]["threshold"]) == ("boards", 1, 0.25)


@pytest.mark.parametrize(
    ("query", "note", "law"),
    [
        ("", None, "verdict must be right or wrong, but got 'None'"),
        ("?verdict=maybe", None, "verdict must be right or wrong, but got 'maybe'"),
        ("", "no JSON", "note.json must be JSON"),
        ("", '{"verdict": "wrong", "path": "/etc"}', "note.json must have verdict, boxes and note"),
        ("", '{"verdict": "wrong", "boxes": [{"name": "a", "box": [1, 1, 1, 2]}]}', "boxes must be at most 3000"),
        ("", '{"verdict": "wrong", "boxes": [{"name": "a", "box": [1, 1, NaN, 2]}]}', "boxes must be at most 3000"),
    ],
)
def test_malformed_feedback_is_refused(
    client: TestClient, tmp_path: Path, query: str, note: str | None, law: str
) -> None:
    if note:
        files = [("image", ("a.png", picture())), ("note", ("note.json", note.encode()))]
        answer = client.post(f"/feedback{query}", files=files)
    else:
        answer = client.post(f"/feedback{query}", content=picture())
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(law)
    assert notes(tmp_path) == []


def test_what_is_no_image_and_another_site_are_refused(client: TestClient, tmp_path: Path) -> None:
    assert client.post("/feedback?verdict=wrong", content=b"#!/bin/sh").status_code == 400
    origin = {"origin": "http://evil.example"}
    assert client.post("/feedback?verdict=wrong", content=picture(), headers=origin).status_code == 403
    assert notes(tmp_path) == []


def test_a_server_without_a_folder_keeps_nothing(registry: Any, fake: Any) -> None:
    assert fake
    with TestClient(service.app(Serving(version.load(registry, "champion"))), base_url=HERE) as opened:
        answer = opened.post("/feedback?verdict=wrong", content=picture())
    assert (answer.status_code, answer.json()["detail"]) == (
        404, "this server keeps no pictures; start it with --field FOLDER",
    )  # fmt: skip
