"""Routes of the uploads: parts in order, the right offset as the answer to a wrong one, nothing outside the folder."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from automl.apps.uploads import Uploads

resumable_upload = pytest.importorskip("automl.apps.web.resumable_upload", reason="NiceGUI is not installed")
URL = "/uploads/0123456789abcdef"


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    app = FastAPI()
    app.include_router(resumable_upload.routes(Uploads(tmp_path / "uploads")))
    return TestClient(app)


def test_a_file_arrives_in_parts(client: TestClient, tmp_path: Path) -> None:
    assert client.get(URL, params={"name": "a.png"}).json() == {"received": 0}
    for offset in (0, 3):
        answer = client.put(URL, params={"name": "a.png", "offset": offset, "size": 6}, content=b"abc")
        assert answer.json() == {"received": offset + 3}
    assert (tmp_path / "uploads/0123456789abcdef/a.png").read_bytes() == b"abcabc"
    again = client.put(URL, params={"name": "a.png", "offset": 0, "size": 6}, content=b"abc")
    assert (again.status_code, again.json()["received"]) == (409, 6)


@pytest.mark.parametrize("name", ["../a.png", "a.py", "/a.png"])
def test_other_names_are_refused(client: TestClient, tmp_path: Path, name: str) -> None:
    for answer in (
        client.get(URL, params={"name": name}),
        client.put(URL, params={"name": name, "offset": 0, "size": 1}, content=b"a"),
    ):
        assert answer.status_code == 422
        assert "must be an image, an annotation or an archive" in answer.json()["detail"]
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_is_too_long_is_not_read(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable_upload, "MOST_PART", 4)
    answer = client.put(URL, params={"name": "a.png", "offset": 0, "size": 5}, content=b"abcde")
    assert (answer.status_code, answer.json()["detail"]) == (413, "a part must have at most 4 bytes")
