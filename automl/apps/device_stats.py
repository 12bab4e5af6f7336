"""Per-image detections of raw outputs, with the letterbox and suppression of serving: one code for weights and devices.

As Ultralytics' validation: an anchor is a box of each class that passes, the surest box takes the best free true box of
its class at each of ten IoU thresholds. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.apps.serve.postprocess import detections, letterbox, to_picture
from automl.apps.serve.thresholds import Thresholds
from automl.storage.boxes import Boxes, overlaps
from automl.storage.detections import THRESHOLDS, BoolArray, FloatArray, ImageStats, IntArray

IOU: Final = np.linspace(0.5, 0.95, THRESHOLDS)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How raw outputs become boxes that count."""

    thresholds: Thresholds
    """Those of validation: a confidence near 0."""
    end_to_end: bool
    """The head needs no suppression."""
    size: int
    """Edge of the model's input. Unit: pixels."""


def stats_of(outputs: Iterable[NDArray[np.float32]], truth: ImageStats, how: Evaluation) -> ImageStats:
    """Return the detections in the raw outputs for the images of `truth`, in their order, with its true boxes.

    Args:
        outputs: An array for each image, as `detections` takes it; anchors that cannot count may be left out.
        truth: Any detections on these images, with boxes.
        how: How outputs become boxes.

    Raises:
        ValueError: `truth` has no boxes, or there are more or fewer outputs than images.
    """
    boxes = truth.boxes
    if boxes is None:
        raise ValueError("truth: must have the places of its boxes, but has none")
    found: list[FloatArray] = []
    hits, corners = [], []
    for index, (output, size) in enumerate(zip(outputs, boxes.sizes.tolist(), strict=True)):
        mine = truth.truth_image == index
        rows = detections(output, how.thresholds, end_to_end=how.end_to_end, every_class=True)
        rows = rows[np.argsort(-rows[:, 4], kind="stable")]
        shape = size[1], size[0]
        overlap = overlaps(_in_letterbox(boxes.truth[mine], shape, size=how.size), rows[:, :4].astype(np.float64))
        hits.append(matched(overlap, truth.truth_kind[mine], rows[:, 5].astype(np.int64)))
        corners.append(to_picture(rows, shape, size=how.size)[:, :4] / [*size, *size])
        found.append(rows.astype(np.float64))
    counts = [len(rows) for rows in found]
    every = np.concatenate([*found, np.zeros((0, 6))])
    return ImageStats(
        image=np.repeat(np.arange(truth.images), counts),
        tp=np.concatenate([*hits, np.zeros((0, THRESHOLDS), bool)]),
        conf=every[:, 4],
        kind=every[:, 5].astype(np.int64),
        truth_image=truth.truth_image,
        truth_kind=truth.truth_kind,
        images=truth.images,
        names=truth.names,
        boxes=Boxes(np.concatenate([*corners, np.zeros((0, 4))]), boxes.truth, boxes.sizes),
    )


def matched(overlap: FloatArray, truths: IntArray, kinds: IntArray) -> BoolArray:
    """Return (detections, 10): whether a detection takes a true box at each IoU threshold.

    `overlap` is (true boxes, detections), the surest detection first; each takes the free true box of its class that it
    overlaps most.

    >>> overlap = np.array([[0.8, 0.9]])
    >>> matched(overlap, np.array([0]), np.array([0, 0])).sum(axis=1).tolist()
    [7, 2]
    """
    taken = np.zeros((len(truths), THRESHOLDS), bool)
    hits = np.zeros((len(kinds), THRESHOLDS), bool)
    each = np.arange(THRESHOLDS)
    for place, kind in enumerate(kinds.tolist() if len(truths) else []):
        free = np.where(taken | (truths != kind)[:, None], 0.0, overlap[:, place, None])
        best = free.argmax(axis=0)
        hits[place] = free[best, each] >= IOU
        taken[best, each] |= hits[place]
    return hits


def _in_letterbox(shares: FloatArray, shape: tuple[int, int], *, size: int) -> FloatArray:
    """Return boxes as shares of a picture of that height and width in pixels of its letterbox."""
    inner, offset = letterbox(shape, size=size)
    return np.asarray(shares * [*inner, *inner] + [*offset, *offset], np.float64)
