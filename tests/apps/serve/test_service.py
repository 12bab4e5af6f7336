"""The champion behind HTTP: boxes for a picture, a clear code for everything else, no damaged file ever loaded."""

import resource
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from automl.apps.serve import bodies, service
from automl.apps.serve.images import Limits
from automl.apps.serve.thresholds import Thresholds
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from automl.trainers import yolo
from tests.builders import written

HERE = "http://127.0.0.1:8000"
BOX = {"name": "hole", "confidence": 0.9, "box": [1.0, 2.0, 3.0, 4.0]}


def picture(height: int = 20, width: int = 30, kind: str = ".png") -> bytes:
    _, content = cv2.imencode(kind, np.full((height, width, 3), 128, np.uint8))
    return content.tobytes()


class FakeDetector:
    """Stands in for the ONNX session; one sure box and one that is not."""

    provider, size = "CPUExecutionProvider", 32
    loaded: ClassVar[list[bytes]] = []

    def __init__(self, content: bytes, *, source: str) -> None:
        self.loaded.append(content)
        self.source = source

    def detect(self, found: np.ndarray[Any, Any], wanted: Thresholds) -> list[dict[str, Any]]:
        assert (found.dtype, found.ndim) == (np.uint8, 3)
        return [BOX] if wanted.conf <= 0.9 else []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeDetector]:
    monkeypatch.setattr(service, "Detector", FakeDetector)
    FakeDetector.loaded.clear()
    return FakeDetector


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    held = Registry(tmp_path / "models", "boards")
    files = {name: written(tmp_path, name, name) for name in ("best.pt", "model.onnx")}
    held.publish(files, {"promotion.json": {"accepted": True}})
    held.promote(1, why="first")
    return held


@pytest.fixture
def client(registry: Registry, fake: type[FakeDetector]) -> Iterator[TestClient]:
    with TestClient(service.app(service.load(registry, "champion")), base_url=HERE) as opened:
        assert len(fake.loaded) == 1
        yield opened


def test_the_onnx_file_is_what_is_served(client: TestClient, fake: type[FakeDetector]) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert fake.loaded == [b"model.onnx"]


def test_the_model_card_names_the_version_and_its_files(client: TestClient, registry: Registry) -> None:
    assert client.get("/model").json() == {
        **registry.manifest(1), "served": "model.onnx", "thresholds": asdict(Thresholds()), "overrides": []
    }  # fmt: skip


@pytest.mark.parametrize("kind", [".png", ".jpg", ".bmp", ".webp", ".tiff"])
def test_a_picture_of_any_kind_gets_its_boxes(client: TestClient, kind: str) -> None:
    answer = client.post("/predict", content=picture(kind=kind))
    assert answer.status_code == 200
    assert answer.json() == {"model": "boards", "version": 1, "width": 30, "height": 20, "boxes": [BOX]}


@pytest.mark.parametrize(("confidence", "boxes"), [("0", 1), ("0.9", 1), ("0.95", 0), ("1", 0)])
def test_the_wanted_confidence_is_passed_on(client: TestClient, confidence: str, boxes: int) -> None:
    answer = client.post("/predict", params={"confidence": confidence}, content=picture())
    assert len(answer.json()["boxes"]) == boxes


@pytest.mark.parametrize(
    "query", ["conf=2", "conf=nan", "iou=-1", "max_det=0", "max_det=1.5", "max_det=99999", "cnf=0.5", "conf=.1&conf=.2",
              "conf=0.1&confidence=0.2", "classes=1"]
)  # fmt: skip
def test_a_query_outside_the_laws_is_refused(client: TestClient, query: str) -> None:
    answer = client.post(f"/predict?{query}", content=picture())
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("query: ")


def test_the_page_draws_boxes_without_another_host(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "http" not in page.text.replace("http-equiv", "")
    assert "connect-src 'self'" in page.headers["content-security-policy"]


def test_what_was_checked_serves_whatever_becomes_of_the_file(client: TestClient, registry: Registry) -> None:
    (registry.path(1) / "model.onnx").unlink()
    assert client.post("/predict", content=picture()).json()["boxes"] == [BOX]


@pytest.mark.parametrize("confidence", ["-0.1", "1.1", "nan", "inf", "high", ""])
def test_a_bad_confidence_is_told(client: TestClient, confidence: str) -> None:
    answer = client.post("/predict", params={"confidence": confidence}, content=picture())
    assert answer.status_code == 422
    assert "detail" in answer.json()


@pytest.mark.parametrize(
    "body",
    [b"", b"rubbish", b"\xff\xd8\xff\xe0" + b"\0" * 50, picture()[:30], b"<svg/>", bytes(1000)],
    ids=["empty", "text", "half a JPEG", "half a PNG", "SVG", "zeros"],
)
def test_a_body_that_is_no_picture_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/predict", content=body)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "the body must be an image (JPEG, PNG, BMP, TIFF or WebP)"}


def test_a_body_that_is_too_large_is_refused_before_it_is_read_whole(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BYTES", 1000)
    answer = client.post("/predict", content=(bytes(400) for _ in range(100)))
    assert (answer.status_code, answer.json()["detail"]) == (413, "an image must have at most 1000 bytes")


@pytest.mark.parametrize(("most", "code"), [(599, 413), (600, 200)])
def test_a_picture_of_too_many_pixels_is_refused(
    registry: Registry, fake: type[FakeDetector], most: int, code: int
) -> None:
    held = service.load(registry, 1)
    with TestClient(service.app(held, limits=Limits(most)), base_url=HERE) as opened:
        assert opened.post("/predict", content=picture()).status_code == code
    assert len(fake.loaded) == 1


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "evil.example:8000"}, 421),
        ({"host": "localhost:8000"}, 200),
        ({"host": "192.0.2.7"}, 200),
        ({"origin": "http://evil.example", "content-type": "text/plain"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": HERE}, 200),
    ],
)
def test_other_sites_are_not_answered(client: TestClient, headers: dict[str, str], code: int) -> None:
    answer = client.post("/predict", content=picture(), headers=headers)
    assert answer.status_code == code
    assert ("detail" in answer.json()) == (code != 200)


def test_a_page_of_another_site_cannot_read_the_model(client: TestClient) -> None:
    assert client.get("/model", headers={"host": "evil.example"}).status_code == 421


def test_the_record_is_read_as_it_was_verified(
    registry: Registry, fake: type[FakeDetector], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = registry.path(1) / "model.onnx"
    path.chmod(0o644)
    path.write_bytes(b"swapped")
    monkeypatch.setattr(Registry, "verify", lambda _registry, _number: [])  # verified just before the swap
    with pytest.raises(RegistryError, match=r"model\.onnx: SHA-256 must be .* it was changed while it was read"):
        service.load(registry, 1)
    path.unlink()
    with pytest.raises(RegistryError, match=r"model\.onnx: must be readable, but No such file"):
        service.load(registry, 1)
    assert fake.loaded == []


def promising(width: int, height: int) -> bytes:
    """Return a small PNG whose head promises a picture of that size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(100))
    chunks = [(head, 13), (b"IDAT" + packed, len(packed)), (b"IEND", 0)]
    body = b"".join(struct.pack(">I", size) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk, size in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("side", [3_536, 10_000, 30_000, 100_000, 2**31 - 1])
def test_a_picture_that_promises_too_many_pixels_takes_no_memory(client: TestClient, side: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = client.post("/predict", content=promising(side, side))
    assert answer.status_code == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_a_picture_whose_content_is_cut_is_no_crash(client: TestClient) -> None:
    assert client.post("/predict", content=promising(40, 40)).status_code in {200, 400}


@pytest.mark.parametrize(
    ("path", "method", "code"), [("/nothing", "get", 404), ("/docs", "get", 404), ("/predict", "get", 405)]
)
def test_what_is_not_there_is_told(client: TestClient, path: str, method: str, code: int) -> None:
    assert getattr(client, method)(path).status_code == code


@pytest.mark.parametrize("name", ["model.onnx", "best.pt", "promotion.json"])
def test_a_damaged_version_is_not_loaded(registry: Registry, fake: type[FakeDetector], name: str) -> None:
    path = registry.path(1) / name
    path.chmod(0o644)
    path.write_text("damaged")
    with pytest.raises(RegistryError, match=rf"versions/0001/{name}: SHA-256 must be [0-9a-f]{{64}}, but is "):
        service.load(registry, 1)
    assert fake.loaded == []


def test_a_version_without_an_onnx_file_is_not_served(tmp_path: Path, fake: type[FakeDetector]) -> None:
    held = Registry(tmp_path / "models", "boards")
    held.publish({"best.pt": written(tmp_path, "best.pt", "x")}, {})
    with pytest.raises(RegistryError, match=r"versions/0001: must contain model.onnx, the file that is served"):
        service.load(held, 1)
    assert fake.loaded == []


@pytest.mark.parametrize("version", [2, "previous"])
def test_a_version_that_is_not_there_is_not_served(
    registry: Registry, fake: type[FakeDetector], version: int | str
) -> None:
    with pytest.raises(RegistryError, match=rf"must contain {version!r}, but has"):
        service.load(registry, version)
    assert fake.loaded == []


@pytest.mark.yolo
def test_a_body_that_is_no_picture_is_refused_also_where_ultralytics_opens_pictures(client: TestClient) -> None:
    yolo.settings()  # brings Ultralytics in, which replaces PIL's opener

    assert client.post("/predict", content=b"no picture").status_code == 400
