"""Untrained weights have the network of a trained model: the same size as an export, for the classes of the data."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.study import Ending, Job
from automl.trainers import yolo


@pytest.mark.yolo
def test_an_untrained_model_is_exported_like_a_trained_one(trained: tuple[Job, Ending], tmp_path: Path) -> None:
    job = trained[0]
    (tmp_path / "trained.pt").write_bytes((job.folder / "best.pt").read_bytes())
    yolo.write_untrained(tmp_path / "untrained.pt", job)
    sizes = [yolo.export_onnx(tmp_path / f"{name}.pt", job).stat().st_size for name in ("untrained", "trained")]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.01)
    larger = replace(job, folder=tmp_path, params={**job.params, "imgsz": 2 * yolo.image_size(job)})
    yolo.write_untrained(tmp_path / "larger.pt", larger)
    assert yolo.export_onnx(tmp_path / "larger.pt", larger).stat().st_size > sizes[0]
