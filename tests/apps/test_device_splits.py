"""Kits with whole splits of a real model: judged by the gates of an artifact that was built here."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from automl.apps import device_kit, device_splits
from automl.apps.cli import app
from automl.apps.device_built import take_back
from automl.apps.device_stats import stats_of
from automl.data import check
from automl.release import export
from automl.storage import job_file
from automl.storage.detections import ImageStats, metrics
from automl.storage.layout import BEST, EVALUATION, ONNX, PARAMS, SPEC, TORCH_STATS, VERDICT
from automl.storage.registry import Registry
from automl.study import Ending, EvalSettings, Gates, Job, Target
from automl.study.errors import ExportError, StudyError
from automl.study.load import dump
from automl.study.yaml_io import read_yaml
from automl.trainers import trainer_of
from tests.apps.test_device_kit import built, resealed, scaled
from tests.builders import spec_of

pytestmark = pytest.mark.yolo
TARGET = Target("orin", "onnx", "fp32", 0.005, max_end_to_end_ms=5000.0)


@pytest.fixture(scope="module")
def registered(trained: tuple[Job, Ending], tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """A registry with a version of the micro YOLO, which has an artifact for a target."""
    home = tmp_path_factory.mktemp("splits")
    job = replace(trained[0], split="test")
    source = Path(job.data).parents[1] / "drawn" / "data.yaml"
    data = check.check(source, read_yaml(source), splits=("train", "val", "test"))
    images = sorted(Path(job.data).parent.glob("images/test/*.jpg"))
    made = export.build(job.folder / BEST, job, home / "export", images=images, engine="none")
    record = {
        "inputs": {"target": asdict(TARGET), "gates": asdict(Gates())}, "metadata": {}, "score": made.onnx_score
    }  # fmt: skip
    verdict = {
        "data": data.fingerprint, "split": "test", "objective": "map50_95", "targets": [{"name": "orin", "gates": []}],
        "names": {str(number): name for number, name in data.names.items()},
    }  # fmt: skip
    job_file.write(replace(job, folder=home))
    (home / SPEC).write_text(dump(spec_of(data=str(source))))
    (home / "target-orin.json").write_text(json.dumps(record))
    registry = Registry(home / "models", "boards")
    paths = {
        BEST: job.folder / BEST, ONNX: home / "export" / ONNX, EVALUATION: home / "export" / EVALUATION,
        PARAMS: home / PARAMS, SPEC: home / SPEC, "target-orin.json": home / "target-orin.json",
        "target-orin.onnx": home / "export" / ONNX, "torch.npz": home / "export" / TORCH_STATS,
    }  # fmt: skip
    registry.publish(paths, {VERDICT: verdict}, texts=lambda _: {"CARD.md": "# boards", "CARD.zh.md": "# boards"})
    registry.promote(1, why="first")
    return registry


@pytest.fixture(scope="module")
def kit(registered: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit with val and test that was built by a process without automl."""
    folder = tmp_path_factory.mktemp("device") / "kit"
    said = device_kit.write(registered, 1, folder, device_kit.Wanted("orin"))
    assert "12 images of test, 12 images of val" in said
    assert "ms end to end" in built(folder)
    return folder


def test_detections_of_raw_outputs_have_the_metrics_of_the_trainer_s_validation(
    registered: Registry, trained: tuple[Job, Ending], kit: Path
) -> None:
    validated = ImageStats.load(registered.path(1) / "torch.npz")
    ours = ImageStats.load(kit / "weights-test.npz")
    assert ours.names == validated.names
    assert np.array_equal(ours.truth_kind, validated.truth_kind)
    assert metrics(ours) == pytest.approx(metrics(validated), abs=2e-3)
    assert metrics(ours)["map50"] > 0.05

    how = device_splits.evaluation(_record(registered), end_to_end=False)
    pictures = np.load(kit / "pictures.npy")[:12] / np.float32(255)
    outputs = trainer_of().raw_outputs(registered.path(1) / BEST, pictures, trained[0])
    again = stats_of(iter(outputs), validated, how)
    assert metrics(again) == metrics(ours)


def _record(registered: Registry) -> EvalSettings:
    return EvalSettings.from_dict(json.loads((registered.path(1) / EVALUATION).read_text()))


def test_what_the_device_computed_is_judged_on_whole_splits_and_published(registered: Registry, kit: Path) -> None:
    said = take_back(registered, kit)
    assert said.startswith("version 2 of boards: version 1 with target orin by onnxruntime")
    assert "judged on 24 images of test and val" in said
    folder = registered.verified(2)
    record = json.loads((folder / "target-orin.json").read_text())
    (target,) = json.loads((folder / VERDICT).read_text())["targets"]
    assert (
        target["score"]
        == record["score"]
        == pytest.approx(metrics(ImageStats.load(kit / "weights-test.npz"))["map50_95"], abs=1e-4)
    )
    assert target["end_to_end"]["p50"] == record["end_to_end_ms"]["p50"] > record["latency_ms"]["p50"] * 0.5
    assert set(record["device"]["parity"]) == {"test", "val"}
    names = [gate["name"] for gate in target["gates"]]
    for split in ("test", "val"):
        assert f"target orin on its device, {split}: objective" in names
        assert f"target orin on its device, {split}: class recall" in names
    assert "target orin on its device end_to_end_ms" in names


def moved(outputs: dict[str, Any]) -> None:
    """Move all boxes by a quarter of their size, which leaves confidences as they are."""
    outputs["rows"][:, :2] += outputs["rows"][:, 2:4] / 4


def only_on_val(outputs: dict[str, Any]) -> None:
    """Empty the pictures of the second split."""
    first = int(outputs["counts"][:12].sum())
    outputs["rows"], outputs["counts"][12:] = outputs["rows"][:first], 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda outputs: scaled(outputs, 0.6), r"test: mean confidence of the true boxes against weights"),
        (moved, r"target orin on its device, test: objective against weights: lower bound"),
        (only_on_val, r"target orin on its device, val: objective against weights: lower bound"),
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


def test_the_kit_has_the_split_that_was_asked_for_of_the_data_set_of_the_version(
    registered: Registry, tmp_path: Path, data: Path
) -> None:
    result = CliRunner().invoke(
        app, ["device-kit", str(registered.folder), str(tmp_path / "one"), "--target", "orin", "--split", "val"]
    )
    assert "12 images of val" in result.stdout, result.output
    with pytest.raises(ExportError, match="--split: must be test or val, by which the version was judged, but got 'x'"):
        device_kit.write(registered, 1, tmp_path / "two", device_kit.Wanted("orin", split="x"))
    other = Path(shutil.copytree(data.parents[1] / "drawn", tmp_path / "other"))
    next((other / "labels" / "val").glob("*.txt")).write_text("")
    with pytest.raises(StudyError, match="must be the data set of the version, fingerprint"):
        device_kit.write(registered, 1, tmp_path / "two", device_kit.Wanted("orin", data=other / "data.yaml"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]
