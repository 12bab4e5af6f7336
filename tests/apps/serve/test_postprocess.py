"""From raw output to boxes: confidence, classes, suppression, and the way back to the pixels of the image."""

import numpy as np
import pytest

from automl.apps.serve import postprocess
from automl.apps.serve.postprocess import detections, suppressed, to_picture
from automl.apps.serve.thresholds import Thresholds


def raw(*anchors: tuple[float, ...]) -> postprocess.Array:
    """Return (4 + classes) x anchors from rows of centre x, centre y, width, height and a score for each class."""
    return np.array(anchors, np.float32).reshape(len(anchors), -1).T


PAIR = raw((10, 10, 10, 10, 0.9, 0.1), (11, 10, 10, 10, 0.8, 0.1), (50, 50, 10, 10, 0.2, 0.7))


def kept(output: postprocess.Array, wanted: Thresholds) -> list[tuple[float, int]]:
    return [(round(float(row[4]), 2), int(row[5])) for row in detections(output, wanted, end_to_end=False)]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Thresholds(), [(0.9, 0), (0.7, 1)]),
        (Thresholds(iou=0.9), [(0.9, 0), (0.8, 0), (0.7, 1)]),
        (Thresholds(conf=0.75, iou=0.9), [(0.9, 0), (0.8, 0)]),
        (Thresholds(max_det=1), [(0.9, 0)]),
        (Thresholds(classes=(1,)), [(0.7, 1)]),
        (Thresholds(classes=()), []),
        (Thresholds(conf=1.0), []),
    ],
)
def test_thresholds_divide_the_boxes(wanted: Thresholds, found: list[tuple[float, int]]) -> None:
    assert kept(PAIR, wanted) == found


def test_a_score_equal_to_the_threshold_does_not_count() -> None:
    assert kept(raw((10, 10, 4, 4, 0.5)), Thresholds(conf=0.5)) == []


def test_classes_suppress_each_other_only_where_asked() -> None:
    output = raw((10, 10, 10, 10, 0.9, 0.1), (10, 10, 10, 10, 0.1, 0.8))
    assert kept(output, Thresholds()) == [(0.9, 0), (0.8, 1)]
    assert kept(output, Thresholds(agnostic_nms=True)) == [(0.9, 0)]


def test_boxes_are_corners() -> None:
    assert detections(raw((10, 20, 4, 6, 0.9)), Thresholds(), end_to_end=False)[0, :4].tolist() == [8, 17, 12, 23]


def test_only_the_surest_candidates_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postprocess, "MOST_CANDIDATES", 2)
    assert kept(PAIR, Thresholds(iou=0.9)) == [(0.9, 0), (0.8, 0)]


def test_an_end_to_end_head_is_not_suppressed() -> None:
    rows = np.array(
        [[0, 0, 9, 9, 0.9, 1], [0, 0, 9, 9, 0.8, 1], [0, 0, 9, 9, 0.7, 0], [0, 0, 9, 9, 0.1, 1]], np.float32
    )
    assert len(detections(rows, Thresholds(), end_to_end=True)) == 3
    assert detections(rows, Thresholds(classes=(0,)), end_to_end=True)[:, 5].tolist() == [0]
    assert len(detections(rows, Thresholds(max_det=2), end_to_end=True)) == 2


def test_boxes_without_area_suppress_nothing() -> None:
    assert suppressed(np.zeros((3, 4), np.float32), np.ones(3, np.float32), iou=0.0, most=9).tolist() == [0, 1, 2]


def test_no_boxes_are_no_boxes() -> None:
    assert suppressed(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), iou=0.5, most=9).tolist() == []
    assert detections(raw((10, 10, 4, 4, 0.1)), Thresholds(), end_to_end=False).shape == (0, 6)


@pytest.mark.parametrize(
    ("shape", "box", "found"),
    [
        ((32, 32), (4, 8, 12, 16), (4, 8, 12, 16)),
        ((64, 64), (4, 8, 12, 16), (8, 16, 24, 32)),
        ((16, 32), (4, 8, 12, 16), (4, 0, 12, 8)),
        ((32, 16), (0, 0, 32, 32), (0, 0, 16, 32)),
    ],
    ids=["as it is", "enlarged", "padded above and below", "clipped"],
)
def test_boxes_go_back_to_the_pixels_of_the_image(
    shape: tuple[int, int], box: tuple[int, ...], found: tuple[int, ...]
) -> None:
    rows = np.array([[*box, 0.9, 0]], np.float32)
    assert to_picture(rows, shape, size=32)[0, :4].tolist() == list(found)
