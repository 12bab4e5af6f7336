"""Sweep of the confidence threshold over kept detections: precision, recall and F1 at IoU 0.50. Pure.

It tells trouble with the threshold from trouble with the features: objects that are found at a lower confidence from
objects that no box covers at any confidence.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from automl.storage.detections import ImageStats

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

GRID: Final = np.linspace(0.001, 0.999, 999)
"""Thresholds that are tried."""


@dataclass(frozen=True, slots=True)
class Point:
    """What is found with confidences above a threshold."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """Precision, recall and F1 at each threshold of `GRID`, for one class or all together."""

    boxes: int
    """Ground-truth boxes."""
    found: FloatArray
    """Detections above each threshold."""
    precision: FloatArray
    """0 where nothing is found."""
    recall: FloatArray
    f1: FloatArray
    ceiling: float
    """Recall of all detections, whatever their confidence."""

    @classmethod
    def of(cls, stats: ImageStats, kind: int | None = None, *, images: BoolArray | None = None) -> Self:
        """Sweep over the detections of a class, or of all; `images` selects those that count."""
        mine = np.ones(len(stats.conf), np.bool_) if kind is None else stats.kind == kind
        theirs = np.ones(len(stats.truth_kind), np.bool_) if kind is None else stats.truth_kind == kind
        if images is not None:
            mine, theirs = mine & images[stats.image], theirs & images[stats.truth_image]
        conf, hit = stats.conf[mine], stats.tp[mine, 0]
        found, hits = _above(conf), _above(conf[hit])
        truths = int(theirs.sum())
        return cls(
            boxes=truths,
            found=found,
            precision=hits / np.maximum(found, 1),
            recall=hits / max(truths, 1),
            f1=2 * hits / np.maximum(found + truths, 1),
            ceiling=float(hit.sum() / max(truths, 1)),
        )

    def at(self, threshold: float) -> Point:
        """Return the values at the point of the grid next to a threshold."""
        place = int(np.abs(GRID - threshold).argmin())
        values = (float(curve[place]) for curve in (self.precision, self.recall, self.f1))
        return Point(threshold, *values)

    @property
    def best(self) -> Point:
        """Return the threshold with the highest F1; in the middle of the thresholds that share it."""
        top = np.flatnonzero(self.f1 >= self.f1.max() - 1e-12)
        first = top[: int(np.argmax(np.append(np.diff(top) > 1, True))) + 1]
        return self.at(float(round(GRID[first[len(first) // 2]], 3)))


def honest_gain(stats: ImageStats, kind: int, served: float) -> float:
    """Return the gain of F1 by the best threshold over the served one, each chosen on the other half of the images.

    A threshold chosen and judged on the same boxes always gains.
    """
    first = np.arange(stats.images) % 2 == 0
    gains = []
    for chosen in (first, ~first):
        best = Sweep.of(stats, kind, images=chosen).best.threshold
        judged = Sweep.of(stats, kind, images=~chosen)
        gains.append(judged.at(best).f1 - judged.at(served).f1)
    return float(np.mean(gains))


def _above(conf: FloatArray) -> FloatArray:
    """Return the number of confidences above each threshold of the grid."""
    return np.asarray(len(conf) - np.searchsorted(np.sort(conf), GRID, side="right"), np.float64)
