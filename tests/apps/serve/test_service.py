"""The champion behind HTTP: boxes for a picture, a clear code for everything else, no damaged file ever loaded."""

import resource
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from automl.apps.serve import bodies, service, version
from automl.apps.serve.follower import Serving
from automl.apps.serve.images import Limits
from automl.apps.serve.thresholds import Thresholds
from automl.storage.registry import Registry
from automl.trainers import yolo
from tests.builders import written

HERE = "http://127.0.0.1:8000"
BOX = {"name": "hole", "confidence": 0.9, "box": [1.0, 2.0, 3.0, 4.0]}


def picture(height: int = 20, width: int = 30, kind: str = ".png") -> bytes:
    _, content = cv2.imencode(kind, np.full((height, width, 3), 128, np.uint8))
    return content.tobytes()


class Loaded(NamedTuple):
    """Stands in for a backend."""

    source: str
    content: bytes


class FakeDetector:
    """Stands in for the ONNX session; one sure box and one that is not."""

    provider, size = "CPUExecutionProvider", 32
    names: ClassVar[dict[int, str]] = {0: "hole"}
    loaded: ClassVar[list[bytes]] = []

    def __init__(self, backend: Loaded) -> None:
        self.loaded.append(backend.content)

    def detect(self, found: np.ndarray[Any, Any], wanted: Thresholds) -> list[dict[str, Any]]:
        assert (found.dtype, found.ndim) == (np.uint8, 3)
        return [BOX] if wanted.conf <= 0.9 else []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeDetector]:
    def loaded(folder: Path, read: Callable[[str], Any], *, target: str) -> Loaded:
        return Loaded(str(folder / f"{target or 'model'}.onnx"), read("model.onnx"))

    monkeypatch.setattr(version, "opened", loaded)
    monkeypatch.setattr(version, "Detector", FakeDetector)
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
    with TestClient(service.app(Serving(version.load(registry, "champion"))), base_url=HERE) as opened:
        assert len(fake.loaded) == 1
        yield opened


def test_the_onnx_file_is_what_is_served(client: TestClient, fake: type[FakeDetector]) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert fake.loaded == [b"model.onnx"]


def test_the_model_card_names_the_version_and_its_files(client: TestClient, registry: Registry) -> None:
    manifest = registry.manifest(1)
    assert client.get("/model").json() == {
        **manifest, "served": "model.onnx", "sha256": manifest["files"]["model.onnx"], "classes": {"0": "hole"},
        "imgsz": 32, "provider": "CPUExecutionProvider", "thresholds": asdict(Thresholds()), "overrides": [],
    }  # fmt: skip


def test_a_service_that_answers_is_ready(client: TestClient) -> None:
    assert client.get("/ready").json() == {
        "ready": True, "model": "boards", "version": 1, "alias": None, "refused": None
    }  # fmt: skip


def test_a_batch_is_answered_in_its_order(client: TestClient) -> None:
    files = [("image", (f"{width}.png", picture(width=width))) for width in (10, 20, 30)]
    answer = client.post("/predict", files=files)
    assert answer.status_code == 200
    assert answer.json() == {"model": "boards", "version": 1, "images": [
        {"file": f"{width}.png", "width": width, "height": 20, "boxes": [BOX]} for width in (10, 20, 30)
    ]}  # fmt: skip


def test_an_image_of_a_batch_that_is_none_is_named(client: TestClient) -> None:
    answer = client.post("/predict", files=[("image", ("a.png", picture())), ("image", ("b\n.png", b"rubbish"))])
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("image 2 (b")
    assert "\n" not in answer.json()["detail"]


def test_a_batch_may_be_half_as_long_since_its_images_are_copied(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BYTES", 2000)
    answer = client.post("/predict", files=[("image", ("a.png", bytes(1000)))])
    assert (answer.status_code, answer.json()["detail"]) == (413, "a body must have at most 1000 bytes")


def test_a_batch_of_too_many_images_is_refused(client: TestClient) -> None:
    answer = client.post("/predict", files=[("image", ("a.png", picture()))] * 33)
    assert (answer.status_code, "at most 32 images" in answer.json()["detail"]) == (413, True)


def test_every_answer_names_its_version(client: TestClient) -> None:
    for path in ("/", "/health", "/ready", "/model", "/metrics", "/nothing"):
        assert client.get(path).headers["model-version"] == "1"
    assert client.post("/predict", content=b"rubbish").headers["model-version"] == "1"


def test_a_request_keeps_the_version_with_which_it_began(registry: Registry, fake: type[FakeDetector]) -> None:
    registry.publish({"model.onnx": written(registry.folder, "next.onnx", "next")}, {})
    held = Serving(version.load(registry, 1), registry=registry, alias="champion")

    class Slow(FakeDetector):
        def detect(self, found: np.ndarray[Any, Any], wanted: Thresholds) -> list[dict[str, Any]]:
            registry.promote(2, why="better")
            held.poll()
            return super().detect(found, wanted)

    held.current = replace(held.current, detector=Slow(Loaded("", b"")))  # type: ignore[arg-type]
    with TestClient(service.app(held), base_url=HERE) as opened:
        first, second = (opened.post("/predict", content=picture()) for _ in range(2))
    assert [answer.json()["version"] for answer in (first, second)] == [1, 2]
    assert [answer.headers["model-version"] for answer in (first, second)] == ["1", "2"]
    assert fake.loaded == [b"model.onnx", b"", b"next"]


def test_a_refused_version_is_shown_and_the_service_stays_ready(registry: Registry, fake: type[FakeDetector]) -> None:
    held = Serving(version.load(registry, 1), registry=registry, alias="champion")
    (registry.folder / "aliases.json").write_text("{")
    held.poll()
    with TestClient(service.app(held), base_url=HERE) as opened:
        answer = opened.get("/ready")
        metrics = opened.get("/metrics").text
    assert (answer.status_code, answer.json()["ready"], answer.json()["alias"]) == (200, True, "champion")
    assert answer.json()["refused"]["error"].startswith("aliases.json: must be readable JSON")
    assert "automl_alias_not_followed 1.0" in metrics
    assert len(fake.loaded) == 1


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
    held = Serving(version.load(registry, 1))
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


@pytest.mark.yolo
def test_a_body_that_is_no_picture_is_refused_also_where_ultralytics_opens_pictures(client: TestClient) -> None:
    yolo.settings()  # brings Ultralytics in, which replaces PIL's opener

    assert client.post("/predict", content=b"no picture").status_code == 400
