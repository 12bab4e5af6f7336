"""Letterbox and postprocessing of a detector: confidence, classes, non-maximum suppression, as in Ultralytics 8.4.

The folder of a device has a copy of this file, so that one code runs here and there: Python 3.9, NumPy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from automl.apps.serve.thresholds import Thresholds

PADDING: Final = 114
Array = NDArray[np.float32]
CLASS_OFFSET: Final = 7680
"""Offset between the boxes of two classes in suppression: larger than any letterbox, so that they never overlap."""
MOST_CANDIDATES: Final = 30_000


def letterboxed(picture: NDArray[Any], *, size: int, resize: Callable[..., NDArray[Any]]) -> Array:
    """Return a BGR picture as 1 x 3 x size x size, RGB, 0..1: letterboxed, centred on grey, as in evaluation.

    `resize` takes a picture, and width and height: OpenCV's, whose default is the bilinear interpolation of training.
    """
    inner, (left, top) = letterbox((picture.shape[0], picture.shape[1]), size=size)
    if (picture.shape[1], picture.shape[0]) != inner:
        picture = resize(picture, inner)
    square = np.full((3, size, size), PADDING, np.uint8)
    square[:, top : top + inner[1], left : left + inner[0]] = picture.transpose(2, 0, 1)[::-1]
    return np.divide(square, np.float32(255), dtype=np.float32)[None]


def described(found: Array, shape: tuple[int, int], *, size: int, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Return the boxes of `detections` for JSON: name, confidence, and corners in pixels of the picture."""
    return [
        {
            "name": names.get(int(row[5]), str(int(row[5]))),
            "confidence": round(row[4], 4),
            "box": [round(edge, 1) for edge in row[:4]],
        }
        for row in to_picture(found, shape, size=size).tolist()
    ]


def detections(output: Array, wanted: Thresholds, *, end_to_end: bool, every_class: bool = False) -> Array:
    """Return the boxes of one image, n x 6: x0, y0, x1, y1 in the letterbox, confidence, class.

    Args:
        output: boxes x 6 of an end-to-end head; else (4 + classes) x anchors, boxes as centre, width, height.
        wanted: Which boxes count.
        end_to_end: The head needs no suppression.
        every_class: An anchor is a box of each class that passes the confidence, as in evaluation, not of the best.
    """
    if end_to_end:
        rows = output[output[:, 4] > np.float32(wanted.conf)].astype(np.float32)
        return _of_classes(rows, wanted.classes)[: wanted.max_det]
    candidates = _of_every_class(output, wanted.conf) if every_class else _candidates(output, wanted.conf)
    rows = _of_classes(candidates, wanted.classes)
    if len(rows) > MOST_CANDIDATES:
        rows = rows[np.argsort(-rows[:, 4], kind="stable")[:MOST_CANDIDATES]]
    offset = rows[:, 5:6] * np.float32(0 if wanted.agnostic_nms else CLASS_OFFSET)
    return rows[suppressed(rows[:, :4] + offset, rows[:, 4], iou=wanted.iou, most=wanted.max_det)]


def _candidates(output: Array, confidence: float) -> Array:
    """Return the anchors whose best class passes the confidence threshold, as rows of `detections`, in anchor order."""
    scores = output[4:]
    sure = scores.max(0) > np.float32(confidence)
    chosen = output[:, sure].astype(np.float32)
    centre, half = chosen[:2], chosen[2:4] / np.float32(2)
    best = chosen[4:].argmax(0)
    parts = (centre - half, centre + half, chosen[4:].max(0)[None], best[None].astype(np.float32))
    return np.concatenate(parts).T


def _of_every_class(output: Array, confidence: float) -> Array:
    """Return a row for each anchor and class that passes the confidence threshold, in the order of the anchors."""
    anchors, classes = np.nonzero(output.T[:, 4:] > np.float32(confidence))
    chosen = output[:4, anchors].astype(np.float32)
    centre, half = chosen[:2], chosen[2:4] / np.float32(2)
    scores = output[4 + classes, anchors].astype(np.float32)
    return np.concatenate((centre - half, centre + half, scores[None], classes[None].astype(np.float32))).T


def _of_classes(rows: Array, classes: tuple[int, ...] | None) -> Array:
    return rows if classes is None else rows[np.isin(rows[:, 5], classes)]


def suppressed(boxes: Array, scores: Array, *, iou: float, most: int) -> NDArray[np.intp]:
    """Return the indices of the boxes that greedy non-maximum suppression keeps, best first.

    >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]], np.float32)
    >>> suppressed(boxes, np.array([0.8, 0.9, 0.7], np.float32), iou=0.5, most=300).tolist()
    [1, 2]
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-scores, kind="stable")
    kept: list[np.intp] = []
    while order.size and len(kept) < most:
        first, rest = order[0], order[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = np.prod(np.maximum(high - low, np.float32(0)), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):  # boxes without area: 0 / 0 is no overlap
            overlap = shared / (areas[first] + areas[rest] - shared)
        order = rest[~(overlap > np.float64(iou))]
    return np.array(kept, dtype=np.intp)


def letterbox(shape: tuple[int, int], *, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return width and height of a picture of that height and width in its letterbox, and its left and top there.

    >>> letterbox((10, 20), size=32)
    ((32, 16), (0, 8))
    """
    height, width = shape
    gain = min(size / height, size / width)
    inner = max(round(width * gain), 1), max(round(height * gain), 1)
    return inner, (round((size - inner[0]) / 2 - 0.1), round((size - inner[1]) / 2 - 0.1))


def to_picture(rows: Array, shape: tuple[int, int], *, size: int) -> Array:
    """Return the rows with boxes scaled to pixels of the picture of that height and width, clipped to it."""
    height, width = shape
    inner, offset = letterbox(shape, size=size)
    pad = np.array(offset * 2, np.float32)
    gains = np.array([inner[0] / width, inner[1] / height] * 2, np.float32)
    moved: NDArray[Any] = rows.copy()
    moved[:, :4] = np.clip((rows[:, :4] - pad) / gains, 0, np.array([width, height] * 2, np.float32))
    return moved
