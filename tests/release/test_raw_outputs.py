"""Raw outputs of an ONNX file against those of its weights: edges of boxes and scores, on val and the judged split."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.data import staging
from automl.release import gates, raw_outputs
from automl.study import Artifact, ExportResult, Gates, RawDifference
from automl.trainers import trainer_of
from tests.conftest import tiny_job_at

ROWS = np.array([[[10, 10, 20, 20, 0.9, 0], [40, 40, 60, 60, 0.6, 1], [0, 0, 5, 5, 0.0001, 0]]], np.float32)


def test_rows_of_an_end_to_end_head_are_matched_by_class_and_place() -> None:
    turned = ROWS[:, [1, 0, 2]].copy()
    turned[0, 1, 2] += 0.25
    turned[0, 0, 4] -= np.float32(0.125)
    turned[0, 2, :4] += 90  # below the least score: what it is does not matter
    assert raw_outputs.difference(turned, ROWS) == pytest.approx((0.25, 0.125))


def test_a_row_that_is_missing_differs_without_limit() -> None:
    gone = ROWS.copy()
    gone[0, 1, 5] = 0
    assert raw_outputs.difference(gone, ROWS)[0] == np.inf


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must have the shape \(1, 3, 6\), but have \(1, 2, 6\)"):
        raw_outputs.difference(ROWS[:, :2], ROWS)


@pytest.mark.parametrize(("box", "score", "failed"), [(0.5, 1e-3, 0), (0.51, 1e-3, 1), (0.5, 1.1e-3, 1), (9, 9, 2)])
def test_half_a_pixel_and_a_thousandth_of_a_score_are_the_limits(box: float, score: float, failed: int) -> None:
    graph = Artifact(Path("model.onnx"), "onnx", 0.5)
    built = ExportResult(graph, 0.0, torch_score=0.5, raw=RawDifference(box, score, 12))
    refused = [gate for gate in gates.judge(built, Gates()) if not gate.passed]
    assert len(refused) == failed
    assert all("raw outputs of ONNX against weights on 12 images" in gate.text for gate in refused)


def test_all_images_of_val_and_of_the_judged_split_are_compared(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = replace(tiny_job_at(tmp_path / "job", data), split="test")
    trainer = trainer_of(job)
    trainer.write_untrained(tmp_path / "model.pt", job)
    exported = trainer.export_onnx(tmp_path / "model.pt", job)
    monkeypatch.setattr(raw_outputs, "HELD", 2 * 3 * 4 * 32 * 32)  # two images at once

    found = raw_outputs.of_splits(tmp_path / "model.pt", exported, job)

    assert found.images == sum(len(staging.images_of(data, split=split)) for split in ("val", "test")) > 2
    assert (found.box_px, found.score) == pytest.approx((0, 0), abs=1e-6)
