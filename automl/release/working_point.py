"""Working point: precision, recall, F1 and confidences at the threshold with which a model is served. Pure.

The threshold is where F1, averaged over classes and smoothed as in Ultralytics' `ap_per_class`, is highest on val. At a
fixed threshold an image contributes counts alone, so that a bootstrap over images (Efron 1979) is one matrix product.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from automl.hpo.bootstrap import Resampling, aligned, paired_difference
from automl.storage.detections import ImageStats
from automl.study import Parity
from automl.study.verdict import Interval

FloatArray = NDArray[np.float64]
GRID: Final = np.linspace(0.001, 0.999, 999)
SMOOTHING: Final = 101
"""Points of the box filter over the F1 curve: a tenth of its length, so that one lucky threshold is not chosen."""
LEAST_BOXES: Final = 20
"""Boxes below which the recall of a class is not judged: with 20, one box is the default limit of 0.05."""


def best_threshold(stats: ImageStats) -> float:
    """Return the confidence threshold, 0.001 to 0.999, with the highest smoothed mean F1 over the classes.

    Raises:
        ValueError: there are no ground-truth boxes.
    """
    kinds, truths = np.unique(stats.truth_kind, return_counts=True)
    if not len(kinds):
        raise ValueError("stats: must contain ground-truth boxes, but contain none")
    curve = np.mean([_f1_curve(stats, kind, count) for kind, count in zip(kinds, truths, strict=True)], axis=0)
    padded = np.pad(curve, SMOOTHING // 2, mode="edge")
    smooth = np.convolve(padded, np.full(SMOOTHING, 1 / SMOOTHING), mode="valid")
    return float(round(GRID[smooth.argmax()], 3))


def _f1_curve(stats: ImageStats, kind: int, truths: int) -> FloatArray:
    own = stats.kind == kind
    conf, hit = stats.conf[own], stats.tp[own, 0]
    found = len(conf) - np.searchsorted(np.sort(conf), GRID, side="right")
    hits = hit.sum() - np.searchsorted(np.sort(conf[hit]), GRID, side="right")
    return np.asarray(2 * hits / (found + truths), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Counts of each image and class at one threshold, each (images, classes)."""

    hits: FloatArray
    found: FloatArray
    truths: FloatArray

    @classmethod
    def of(cls, stats: ImageStats, threshold: float, kinds: NDArray[Any]) -> Self:
        """Count the boxes above a threshold; classes that `kinds` does not contain are left out."""
        above = stats.conf > threshold
        shape = (stats.images, len(kinds))
        return cls(
            _table(stats.image[above & stats.tp[:, 0]], stats.kind[above & stats.tp[:, 0]], kinds, shape),
            _table(stats.image[above], stats.kind[above], kinds, shape),
            _table(stats.truth_image, stats.truth_kind, kinds, shape),
        )

    def rates(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Return F1, precision and recall over all classes for each row of image weights, (resamples, images)."""
        hits, found, truths = (weights @ table.sum(axis=1) for table in (self.hits, self.found, self.truths))
        return {
            "f1": _share(2 * hits, found + truths),
            "precision": _share(hits, found),
            "recall": _share(hits, truths),
        }

    def recall_by_class(self) -> FloatArray:
        """Return the recall of each class over all images."""
        return _share(self.hits.sum(axis=0), self.truths.sum(axis=0))


def _table(image: NDArray[Any], kind: NDArray[Any], kinds: NDArray[Any], shape: tuple[int, int]) -> FloatArray:
    known = np.isin(kind, kinds)
    table = np.zeros(shape)
    np.add.at(table, (image[known], np.searchsorted(kinds, kind[known])), 1)
    return table


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def mean_confidence(stats: ImageStats) -> float:
    """Return the mean confidence of the true boxes at IoU 0.50; a box that was not found counts as 0.

    Ranks do not matter to it: it shows confidences that shrink while mAP holds.
    """
    return float(stats.conf[stats.tp[:, 0]].sum() / max(len(stats.truth_kind), 1))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Settings of a comparison."""

    threshold: float
    objective: str
    names: Mapping[int, str]
    plan: Resampling = field(default_factory=Resampling)


def compare(what: str, exported: ImageStats, *, weights: ImageStats, at: Comparison) -> Parity:
    """Return the differences of an exported model to its weights, both measured on the same images.

    Raises:
        ValueError: the two were measured on different images.
    """
    kinds = np.unique(weights.truth_kind)
    ours = aligned(exported, weights.names)
    own, theirs = (Counts.of(stats, at.threshold, kinds) for stats in (ours, weights))
    resampled = _image_weights(weights.images, at.plan)
    rates = [table.rates(resampled) for table in (own, theirs)]
    f1, precision, recall = (
        _interval(rates[0][name] - rates[1][name], at.plan) for name in ("f1", "precision", "recall")
    )
    by_class = own.recall_by_class() - theirs.recall_by_class()
    boxes = theirs.truths.sum(axis=0)
    return Parity(
        what,
        at.threshold,
        objective=paired_difference(ours, [weights], at.objective, at.plan),
        f1=f1,
        precision=precision,
        recall=recall,
        class_recall={
            at.names.get(int(kind), str(kind)): float(difference)
            for kind, difference, count in zip(kinds, by_class, boxes, strict=True)
            if count >= LEAST_BOXES
        },
        drift=mean_confidence(ours) - mean_confidence(weights),
    )


def recall_changes(
    ours: tuple[ImageStats, float], theirs: tuple[ImageStats, float], names: Mapping[int, str]
) -> dict[str, float]:
    """Return the difference of recall of each class with enough boxes, two models on the same images.

    Each model comes with its own served threshold.

    Raises:
        ValueError: the two were measured on different images.
    """
    kinds, boxes = np.unique(theirs[0].truth_kind, return_counts=True)
    mine = Counts.of(aligned(ours[0], theirs[0].names), ours[1], kinds).recall_by_class()
    other = Counts.of(*theirs, kinds).recall_by_class()
    return {
        names.get(int(kind), str(kind)): float(change)
        for kind, change, count in zip(kinds, mine - other, boxes, strict=True)
        if count >= LEAST_BOXES
    }


def _image_weights(images: int, plan: Resampling) -> FloatArray:
    """Return (1 + resamples, images): each image once, then how often each resample contains it."""
    rng = np.random.default_rng(plan.seed)
    draws = (np.bincount(rng.integers(images, size=images), minlength=images) for _ in range(plan.resamples))
    return np.vstack([np.ones(images), *draws])


def _interval(values: FloatArray, plan: Resampling) -> Interval:
    """Return the first value with the percentile interval of the others."""
    tail = (1 - plan.level) / 2
    low, high, lower = np.quantile(values[1:], [tail, 1 - tail, 1 - plan.confidence])
    return Interval(float(values[0]), float(low), float(high), float(lower))
