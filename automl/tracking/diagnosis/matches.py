"""Matches of a model's detections with the true boxes: by falling confidence, at IoU 0.50. Pure."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.storage.boxes import Boxes, overlaps
from automl.storage.detections import ImageStats

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

IOU: Final = 0.5
FAR: Final = 0.1
"""Below this IoU with every true box of any class, a detection is one of background (as in TIDE, ECCV 2020)."""
NONE: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Which detection found which true box; valid at any confidence threshold.

    Each detection, by falling confidence, takes the free true box of its class with the highest IoU, as COCO's
    evaluation does: detections below a threshold have no influence on the matches above it.
    """

    truth: IntArray
    """(detections,) the true box that was found; -1 if none."""
    overlap: FloatArray
    """(detections,) highest IoU with a true box of any class; 0 without one."""
    nearest: IntArray
    """(detections,) the true box of that overlap; -1 if none overlaps."""
    cover: FloatArray
    """(ground-truth boxes,) highest IoU with a detection of any class and confidence."""

    def hits(self, kept: BoolArray) -> BoolArray:
        """Return (detections,) True for those kept that found a box."""
        return np.asarray(kept & (self.truth != NONE), np.bool_)

    def missed(self, kept: BoolArray) -> BoolArray:
        """Return (ground-truth boxes,) True for those that no kept detection found."""
        missed = np.ones(len(self.cover), np.bool_)
        missed[self.truth[self.hits(kept)]] = False
        return missed


def match(stats: ImageStats, boxes: Boxes) -> Matches:
    """Match the detections of each image with its true boxes."""
    found, truths = len(stats.conf), len(stats.truth_kind)
    truth, nearest = np.full(found, NONE, np.int64), np.full(found, NONE, np.int64)
    overlap, cover = np.zeros(found), np.zeros(truths)
    for mine, theirs in images_of(stats):
        if not len(mine) or not len(theirs):
            continue
        shares = overlaps(boxes.found[mine], boxes.truth[theirs])
        overlap[mine], cover[theirs] = shares.max(axis=1), shares.max(axis=0)
        nearest[mine] = np.where(overlap[mine] > 0, theirs[shares.argmax(axis=1)], NONE)
        same = stats.kind[mine][:, None] == stats.truth_kind[theirs][None, :]
        for row, column in assigned(np.where(same, shares, 0.0), stats.conf[mine]):
            truth[mine[row]] = theirs[column]
    return Matches(truth, overlap, nearest, cover)


def assigned(shares: FloatArray, conf: FloatArray) -> list[tuple[int, int]]:
    """Return pairs of detection and true box with at least `IOU`, by falling confidence, then IoU.

    >>> assigned(np.array([[0.6, 0.9], [0.0, 0.8]]), np.array([0.5, 0.7]))
    [(1, 1), (0, 0)]
    """
    rows, columns = np.nonzero(shares >= IOU)
    order = np.lexsort((-shares[rows, columns], rows, -conf[rows]))
    pairs: list[tuple[int, int]] = []
    rows_taken: set[int] = set()
    columns_taken: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in rows_taken and column not in columns_taken:
            pairs.append((row, column))
            rows_taken.add(row)
            columns_taken.add(column)
    return pairs


def images_of(stats: ImageStats) -> list[tuple[IntArray, IntArray]]:
    """Return the indices of the detections and of the true boxes of each image."""
    parts = []
    for index in (stats.image, stats.truth_image):
        order = np.argsort(index, kind="stable")
        parts.append(np.split(order, np.searchsorted(index[order], np.arange(1, stats.images))))
    return list(zip(*parts, strict=True))


def confusion(stats: ImageStats, boxes: Boxes, matches: Matches, kept: BoolArray) -> IntArray:
    """Return (classes + 1, classes + 1) counts of kept detections, predicted by true; the last is background.

    Those that found no box of their class are matched with the boxes of other classes that are left, as above. Classes
    are in the order of `kinds_of`.
    """
    kinds = kinds_of(stats, kept)
    predicted, true = (np.searchsorted(kinds, values) for values in (stats.kind, stats.truth_kind))
    matrix = np.zeros((len(kinds) + 1, len(kinds) + 1), np.int64)
    hits, missed = matches.hits(kept), matches.missed(kept)
    np.add.at(matrix, (predicted[hits], predicted[hits]), 1)
    other = np.full(len(kept), NONE, np.int64)
    for mine, theirs in images_of(stats):
        rows, columns = mine[(kept & ~hits)[mine]], theirs[missed[theirs]]
        if len(rows) and len(columns):
            for row, column in assigned(overlaps(boxes.found[rows], boxes.truth[columns]), stats.conf[rows]):
                other[rows[row]] = columns[column]
    wrong, none = other != NONE, kept & ~hits & (other == NONE)
    np.add.at(matrix, (predicted[wrong], true[other[wrong]]), 1)
    matrix[:-1, -1] = np.bincount(predicted[none], minlength=len(kinds))
    missed[other[wrong]] = False
    matrix[-1, :-1] = np.bincount(true[missed], minlength=len(kinds))
    return matrix


def kinds_of(stats: ImageStats, kept: BoolArray) -> IntArray:
    """Return the classes of the true boxes and of the kept detections, ascending."""
    return np.unique(np.concatenate([stats.truth_kind, stats.kind[kept]]))


def tightened(stats: ImageStats, boxes: Boxes, kept: BoolArray, *, iou: float) -> BoolArray:
    """Return which kept detections remain after non-maximum suppression within classes at a lower IoU.

    An approximation from detections that were suppressed at a higher IoU already: a box that was suppressed by one
    which is suppressed now stays away.
    """
    remains = kept.copy()
    for mine, _ in images_of(stats):
        rows = mine[kept[mine]]
        rows = rows[np.argsort(-stats.conf[rows], kind="stable")]
        shares = np.triu(overlaps(boxes.found[rows], boxes.found[rows]), 1)
        close = (shares > iou) & (stats.kind[rows][:, None] == stats.kind[rows][None, :])
        for place in np.flatnonzero(close.any(axis=1)):
            if remains[rows[place]]:
                remains[rows[close[place]]] = False
    return remains
