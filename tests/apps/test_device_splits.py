"""Kits with whole splits: what a device computed is judged by the gates of an artifact that was built here."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

from automl.apps import device_kit, device_splits
from automl.apps.cli import app
from automl.apps.device_built import take_back
from automl.apps.device_stats import stats_of
from automl.pipeline import replay
from automl.storage import job_file
from automl.storage.boxes import Boxes
from automl.storage.detections import ImageStats, metrics
from automl.storage.layout import BEST, EVALUATION, ONNX, PARAMS, VERDICT
from automl.storage.registry import Registry
from automl.study import Ending, EvalSettings, Gates, Job, Target
from automl.study.errors import ExportError
from automl.trainers import trainer_of
from tests import detectors
from tests.apps.test_device_kit import built, resealed, scaled
from tests.conftest import job_at

TARGET = Target("orin", "onnx", "int8", 0.01, max_end_to_end_ms=5000.0)
RECORD = EvalSettings(
    imgsz=64, channels=3, conf=None, iou=0.7, max_det=300, agnostic_nms=False, single_cls=False, classes=None,
    nms=True, names={0: "a", 1: "b", 2: "c"}, threshold=0.5,
)  # fmt: skip
IMAGES = 6


def drawn(folder: Path, split: str) -> None:
    """Draw pictures of 64 x 64 with one object each, in the anchor that its number gives."""
    place = folder / "images" / split
    place.mkdir(parents=True)
    for number in range(IMAGES):
        picture = np.zeros((64, 64, 3), np.uint8)
        picture[8 * number : 8 * number + 8, 16:24] = 255
        cv2.imwrite(str(place / f"{split}-{number}.png"), picture)


def truth(split: str) -> ImageStats:
    """Return the true boxes of a split, without detections."""
    each = np.arange(IMAGES)
    corners = np.array([[16, 8 * number, 24, 8 * number + 8] for number in each]) / 64
    none = np.zeros(0, np.int64)
    return ImageStats(
        image=none, tp=np.zeros((0, 10), bool), conf=np.zeros(0), kind=none, truth_image=each,
        truth_kind=np.zeros(IMAGES, np.int64), images=IMAGES, names=tuple(f"{split}-{number}.png" for number in each),
        boxes=Boxes(np.zeros((0, 4)), corners, np.full((IMAGES, 2), 64)),
    )  # fmt: skip


def run(graph: Path, pictures: Any) -> Any:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"images": one[None]})[0] for one in pictures])


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with a version whose detector finds bright anchors, and an artifact of it for a target."""
    home = tmp_path_factory.mktemp("splits")
    graph = detectors.saved(home / ONNX, scale=0.9)
    record = {"inputs": {"target": asdict(TARGET), "gates": asdict(Gates())}, "metadata": {}, "score": 1.0}
    verdict = {
        "split": "test", "objective": "map50_95", "targets": [{"name": "orin", "gates": []}],
        "names": {"0": "a", "1": "b", "2": "c"},
    }  # fmt: skip
    job_file.write(job_at(home, home / "data.yaml"))
    for split in ("val", "test"):
        drawn(home, split)
    (home / EVALUATION).write_text(json.dumps(RECORD.to_dict()))
    (home / "target-orin.json").write_text(json.dumps(record))
    registry = Registry(home / "models", "boards")
    paths = {name: home / name for name in (ONNX, EVALUATION, PARAMS, "target-orin.json")}
    registry.publish(
        paths | {BEST: graph, "target-orin.onnx": graph}, {VERDICT: verdict},
        texts=lambda _: {"CARD.md": "# boards", "CARD.zh.md": "# boards"},
    )  # fmt: skip
    registry.promote(1, why="first")
    return registry


@pytest.fixture(scope="module", autouse=True)
def trainer(registered: Registry) -> Any:
    """Stand in for the trainer and the data set of the version."""
    home = registered.folder.parents[1]
    fake = SimpleNamespace(
        judge=lambda _weights, _job, *, split: ({}, truth(split)),
        raw_outputs=lambda weights, pictures, _job: run(weights, pictures),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_splits, "trainer_of", lambda _job: fake)
        patch.setattr(replay, "staged", lambda _source, _place, _data: home / "data.yaml")
        yield


@pytest.fixture(scope="module")
def kit(registered: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit with val and test that was built by a process without automl."""
    folder = tmp_path_factory.mktemp("device") / "kit"
    said = device_kit.write(registered, 1, folder, device_kit.Wanted("orin"))
    assert f"{IMAGES} images of test, {IMAGES} images of val" in said
    assert "ms end to end" in built(folder)
    return folder


def test_what_the_device_computed_is_judged_on_whole_splits_and_published(registered: Registry, kit: Path) -> None:
    assert metrics(ImageStats.load(kit / "weights-test.npz"))["map50_95"] == pytest.approx(0.995, abs=0.006)
    said = take_back(registered, kit)
    assert said.startswith("version 2 of boards: version 1 with target orin by onnxruntime")
    assert f"judged on {2 * IMAGES} images of test and val" in said
    folder = registered.verified(2)
    record = json.loads((folder / "target-orin.json").read_text())
    (target,) = json.loads((folder / VERDICT).read_text())["targets"]
    assert target["score"] == record["score"] == metrics(ImageStats.load(kit / "weights-test.npz"))["map50_95"]
    assert target["end_to_end"]["p50"] == record["end_to_end_ms"]["p50"] > 0
    assert set(record["device"]["parity"]) == {"test", "val"}
    names = [gate["name"] for gate in target["gates"]]
    for split in ("test", "val"):
        assert f"target orin on its device, {split}: objective" in names
        assert f"target orin on its device, {split}: confidence" in names
    assert "target orin on its device end_to_end_ms" in names


def moved(outputs: dict[str, Any]) -> None:
    """Move all boxes by a quarter of their width, which leaves confidences as they are."""
    outputs["rows"][:, 0] += outputs["rows"][:, 2] / 4


def empty_on_val(outputs: dict[str, Any]) -> None:
    """Leave out the boxes of the second split."""
    first = int(outputs["counts"][:IMAGES].sum())
    outputs["rows"], outputs["counts"][IMAGES:] = outputs["rows"][:first], 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda outputs: scaled(outputs, 0.6), r"test: mean confidence of the true boxes against weights"),
        (moved, r"target orin on its device, test: objective against weights: lower bound"),
        (empty_on_val, r"target orin on its device, val: objective against weights: lower bound"),
    ],
)
def test_a_device_that_loses_accuracy_is_refused_by_the_gates_of_an_artifact(
    registered: Registry, kit: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], why: str
) -> None:
    copied = Path(shutil.copytree(kit, tmp_path / "kit"))
    resealed(copied, change)
    before = registered.versions()
    with pytest.raises(ExportError, match=why):
        take_back(registered, copied)
    assert registered.versions() == before


def test_the_kit_has_the_split_that_was_asked_for_and_a_size_that_is_said(
    registered: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = CliRunner().invoke(
        app, ["device-kit", str(registered.folder), str(tmp_path / "one"), "--target", "orin", "--split", "val"]
    )
    assert f"{IMAGES} images of val" in result.stdout, result.output
    with pytest.raises(ExportError, match="--split: must be test or val, by which the version was judged, but got 'x'"):
        device_kit.write(registered, 1, tmp_path / "two", device_kit.Wanted("orin", split="x"))
    monkeypatch.setattr(device_splits, "MOST_BYTES", 1000)
    with pytest.raises(ExportError, match=r"--split: 12 images of 64 pixels must take at most .* GB in the kit"):
        device_kit.write(registered, 1, tmp_path / "two", device_kit.Wanted("orin"))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.yolo
def test_detections_of_raw_outputs_are_those_of_the_trainer_s_validation(
    trained: tuple[Job, Ending], tmp_path: Path
) -> None:
    job = replace(trained[0], split="test")
    shutil.copyfile(job.folder / BEST, tmp_path / BEST)
    _, validated = trainer_of(job).judge(tmp_path / BEST, job, split="test")
    data = Path(job.data).parent / "images" / "test"
    size = int(job.settings["imgsz"])
    pictures = device_splits.write_pictures(tmp_path, [data / name for name in validated.names], size)
    inputs = np.divide(pictures, np.float32(255), dtype=np.float32)
    outputs = trainer_of(job).raw_outputs(tmp_path / BEST, inputs, job)
    how = device_splits.evaluation(trainer_of(job).evaluation(job), end_to_end=False)

    ours = stats_of(iter(outputs), validated, how)

    assert len(ours.conf) == pytest.approx(len(validated.conf), rel=0.02)
    assert len(ours.conf) > IMAGES
    count = min(len(ours.conf), len(validated.conf))
    assert np.sort(ours.conf)[::-1][:count] == pytest.approx(np.sort(validated.conf)[::-1][:count], abs=2e-3)
