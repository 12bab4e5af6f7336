"""Boxes beside the detections: kept within a pixel, missing in old files, told when damaged."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.storage.boxes import STEPS, Boxes, overlaps
from automl.storage.detections import ImageStats
from automl.storage.records import RecordError
from tests.tracking.report.test_class_results import stats_of


def boxed(seed: int = 0) -> ImageStats:
    draw, stats = np.random.default_rng(seed), stats_of(seed)
    found, truth = (np.sort(draw.random((count, 2, 2)), axis=1).reshape(-1, 4) for count in (60, 40))
    return replace(stats, boxes=Boxes(found, truth, draw.integers(10, 9000, (10, 2))))


def test_boxes_are_kept_within_a_step(tmp_path: Path) -> None:
    stats = boxed()
    stats.save(tmp_path / "a.npz")
    kept = ImageStats.load(tmp_path / "a.npz").boxes
    assert kept is not None
    assert stats.boxes is not None
    for ours, theirs in ((kept.found, stats.boxes.found), (kept.truth, stats.boxes.truth)):
        assert np.abs(ours - theirs).max() <= 0.5 / STEPS + 1e-12
    assert np.array_equal(kept.sizes, stats.boxes.sizes)


def test_a_file_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    stats_of().save(tmp_path / "a.npz")
    assert ImageStats.load(tmp_path / "a.npz").boxes is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"box": None}, "must be whole numbers in box, truth_box and size"),
        ({"box": np.zeros((60, 4))}, "must be whole numbers"),
        ({"box": np.zeros((59, 4), np.uint16)}, r"boxes.found: must have shape \(60, 4\), but got \(59, 4\)"),
        ({"size": np.zeros((3, 2), np.int32)}, r"boxes.sizes: must have shape \(10, 2\)"),
    ],
    ids=["one missing", "floats", "too few", "other images"],
)
def test_damaged_boxes_are_told(tmp_path: Path, changed: dict[str, np.ndarray | None], told: str) -> None:
    boxed().save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as archive:
        arrays = {name: archive[name] for name in archive.files} | changed
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with pytest.raises(RecordError, match=told):
        ImageStats.load(tmp_path / "a.npz")


def test_an_overlap_is_that_of_the_areas_and_none_of_an_empty_box() -> None:
    square = np.array([[0.0, 0.0, 0.2, 0.2]])
    others = np.array([[0.1, 0.0, 0.3, 0.2], [0.2, 0.2, 0.4, 0.4], [0.1, 0.1, 0.1, 0.1]])
    assert overlaps(square, others)[0].tolist() == pytest.approx([1 / 3, 0, 0])
    assert overlaps(square[:0], others).shape == (0, 3)
