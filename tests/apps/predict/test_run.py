"""`automl predict`: boxes in images and videos as the server finds them; what is unreadable is told."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from typer.testing import CliRunner, Result

from automl.apps.cli import app
from automl.apps.serve import service, version
from automl.apps.serve.follower import Serving
from automl.storage.registry import Registry
from tests import detectors
from tests.builders import written


def scene(*cells: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a black picture with bright objects at some columns and rows."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    for column, row in cells:
        pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255
    return pixels


def image(path: Path, *cells: tuple[int, int]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), scene(*cells))
    return path


def video(path: Path, frames: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 64))
    for number in range(frames):
        writer.write(scene((number % 8, 3)))
    writer.release()
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return detectors.registered(tmp_path, 0.95, 0.6)


def predict(registry: Registry, path: Path, *more: object) -> Result:
    words = ["predict", f"{registry.folder}@champion", str(path), *map(str, more)]
    return CliRunner().invoke(app, words, env={"COLUMNS": "200"})


def records(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_boxes_are_those_of_the_server(registry: Registry, tmp_path: Path) -> None:
    path = image(tmp_path / "in" / "a.png", (2, 1), (6, 5))
    found = predict(registry, path, "--json")
    assert found.exit_code == 0, found.output
    with TestClient(service.app(Serving(version.load(registry, 1))), base_url="http://127.0.0.1") as client:
        served = client.post("/predict", content=path.read_bytes()).json()
    assert records(found) == [{**served, "file": "a.png"}]
    assert [one["box"] for one in served["boxes"]] == [[16, 8, 24, 16], [48, 40, 56, 48]]


def test_copies_with_boxes_are_written(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image(tmp_path / "in" / "sub" / "a.png", (2, 1))
    image(tmp_path / "in" / "b.png")
    found = predict(registry, tmp_path / "in")
    assert found.exit_code == 0, found.output
    assert found.stdout.splitlines() == [
        "b.png: no boxes -> predictions/b.png", "sub/a.png: 1 a -> predictions/sub/a.png",
        "boards version 1: 2 files, 1 boxes",
    ]  # fmt: skip
    drawn = cv2.imread("predictions/sub/a.png")
    assert drawn is not None
    assert (drawn != scene((2, 1))).any()
    again = predict(registry, tmp_path / "in")
    assert again.exit_code == 2
    assert "pass --force to replace them" in again.stderr
    assert predict(registry, tmp_path / "in", "--force").exit_code == 0


def test_a_video_is_read_frame_by_frame_and_its_copy_has_as_many(registry: Registry, tmp_path: Path) -> None:
    path, out = video(tmp_path / "in" / "clip.avi"), tmp_path / "out"
    found = predict(registry, path, "--json", "--out", out)
    assert found.exit_code == 0, found.output
    lines = records(found)
    assert [(line["frame"], line["seconds"]) for line in lines] == [(at, at / 10) for at in range(10)]
    assert [line["boxes"][0]["box"][0] for line in lines] == [8 * (at % 8) for at in range(10)]
    capture = cv2.VideoCapture(str(out / "clip.avi.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    capture.release()
    assert [path.name for path in out.iterdir()] == ["clip.avi.mp4"]


def test_what_cannot_be_read_is_told_and_the_rest_is_done(registry: Registry, tmp_path: Path) -> None:
    image(tmp_path / "in" / "a.png", (2, 1))
    for name in ("b.png", "c.mp4"):
        written(tmp_path / "in", name, "rubbish")
    found = predict(registry, tmp_path / "in", "--json")
    assert found.exit_code == 2
    assert [line.get("error", "") for line in records(found)] == [
        "", "the body must be an image (JPEG, PNG, BMP, TIFF or WebP)", "must be a video that OpenCV can read"
    ]  # fmt: skip
    assert f"{tmp_path}/in/b.png: the body must be an image" in found.stderr


def test_a_video_that_is_cut_is_told(registry: Registry, tmp_path: Path) -> None:
    path = video(tmp_path / "in" / "clip.avi", frames=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = predict(registry, path, "--json")
    assert found.exit_code == 2
    assert "frames, but only" in records(found)[-1]["error"]


def test_thresholds_can_be_given(registry: Registry, tmp_path: Path) -> None:
    path = image(tmp_path / "in" / "a.png", (2, 1), (6, 5))
    assert len(records(predict(registry, path, "--json", "--conf", 0.99))[0]["boxes"]) == 0
    assert len(records(predict(registry, path, "--json", "--max-det", 1))[0]["boxes"]) == 1
    assert predict(registry, path, "--conf", 2).exit_code == 2


@pytest.mark.usefixtures("registry")
def test_a_version_is_named_after_the_at_sign(tmp_path: Path) -> None:
    path = image(tmp_path / "in" / "a.png", (2, 1))
    for reference, number in (("boards", 1), ("boards@champion", 1), ("boards@2", 2), ("boards@challenger", 2)):
        words = ["predict", reference, str(path), "--json", "--storage", str(tmp_path)]
        assert records(CliRunner().invoke(app, words))[0]["version"] == number
    found = CliRunner().invoke(app, ["predict", "boards@best", str(path), "--storage", str(tmp_path)])
    assert found.exit_code == 2
    assert "must contain a version with the alias 'best', but has" in found.stderr


@pytest.mark.slow
def test_detection_brings_in_no_training(registry: Registry, tmp_path: Path) -> None:
    path = image(tmp_path / "in" / "a.png", (2, 1))
    code = (
        "import sys; from automl.apps.cli import app\n"
        f"try: app(['predict', {str(registry.folder)!r}, {str(path)!r}, '--json'])\n"
        "except SystemExit: print({'torch', 'ray', 'ultralytics', 'optuna'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "set()"
