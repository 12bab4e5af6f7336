"""Detection metrics from per-image detections: mAP50-95, mAP50, precision, recall for any image weights.

As Ultralytics' `ap_per_class`: average precision by 101-point interpolation of the precision envelope; precision and
recall at the confidence where the smoothed mean F1 is highest. Pure but for `ImageStats.save` and `load`.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from automl.storage import files
from automl.storage.boxes import Boxes, boxes_of, shape_mistake
from automl.storage.records import RecordError

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

THRESHOLDS: Final = 10
"""IoU 0.50, 0.55 .. 0.95."""
RECALLS: Final = np.linspace(0, 1, 101)
CONFIDENCES: Final = np.linspace(0, 1, 1000)
SMOOTHING: Final = 101
"""Points of the box filter over the F1 curve: a tenth of its length, made odd."""
TINY: Final = 1e-16
METRICS: Final = ("map50_95", "map50", "precision", "recall")
INDICES: Final = ("image", "kind", "truth_image", "truth_kind")
ARRAYS: Final = {**dict.fromkeys(INDICES, np.int64), "tp": np.bool_, "conf": np.float64, "names": np.str_}
DAMAGES: Final = (
    OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""Errors of NumPy for an archive that is missing, truncated or changed."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageStats:
    """Detections and ground truth of one model on one split, per image.

    Raises:
        ValueError: lengths, shapes or image indices do not agree.
    """

    image: IntArray
    """(detections,) index of the image."""
    tp: BoolArray
    """(detections, 10) true positive at each IoU threshold."""
    conf: FloatArray
    """(detections,) confidence."""
    kind: IntArray
    """(detections,) predicted class."""
    truth_image: IntArray
    """(ground-truth boxes,) index of the image."""
    truth_kind: IntArray
    """(ground-truth boxes,) class."""
    images: int
    names: tuple[str, ...]
    """(images,) file names, by which two models are compared on the same images."""
    boxes: Boxes | None = None
    """Where they are; None in a file of an earlier version."""

    def __post_init__(self) -> None:
        """Reject inconsistent arrays."""
        found, truths = len(self.image), len(self.truth_image)
        shapes = {
            "tp": (self.tp, (found, THRESHOLDS)), "conf": (self.conf, (found,)), "kind": (self.kind, (found,)),
            "truth_kind": (self.truth_kind, (truths,)),
        }  # fmt: skip
        for name, (array, shape) in shapes.items():
            if array.shape != shape:
                raise ValueError(f"{name}: must have shape {shape}, but got {array.shape}")
        if len(self.names) != self.images or len(set(self.names)) != self.images:
            raise ValueError(f"names: must be {self.images} different ones, but got {len(set(self.names))}")
        for name, index in (("image", self.image), ("truth_image", self.truth_image)):
            if index.ndim != 1 or (len(index) and not 0 <= index.min() <= index.max() < self.images):
                raise ValueError(f"{name}: must be indices of {self.images} images, but got others")
        if self.boxes and (wrong := shape_mistake(self.boxes, found=found, truths=truths, images=self.images)):
            raise ValueError(wrong)

    def save(self, path: Path) -> None:
        """Write an .npz archive without pickled objects."""
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name), kind) for name, kind in ARRAYS.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays | (self.boxes.arrays() if self.boxes else {}))
        files.write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an archive written by `save`.

        Raises:
            RecordError: the file is missing or damaged.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
                held = {name: np.asarray(archive[name]) for name in archive.files}
            if lacking := [name for name in ARRAYS if name not in held]:
                raise ValueError(f"{lacking[0]} is not a file in the archive")
            arrays = {name: held[name] for name in ARRAYS}
            for name, kind in ARRAYS.items():
                if not np.issubdtype(arrays[name].dtype, kind):
                    raise ValueError(f"{name}: must be {kind.__name__}, but got {arrays[name].dtype}")
            names = tuple(arrays.pop("names").tolist())
            return cls(**arrays, images=len(names), names=names, boxes=boxes_of(held))
        except DAMAGES as wrong:
            message = f"{path}: must contain detections grouped by image, but {wrong}; validate the model again"
            raise RecordError(message) from wrong


def metrics(stats: ImageStats, weights: IntArray | None = None) -> dict[str, float]:
    """Return mAP50-95, mAP50, precision and recall with each image counted `weights` times; once if None.

    Equal to Ultralytics' on data in which each image is repeated as often. Classes without ground truth are left out; 0
    if no ground truth is left.
    """
    counted = np.ones(stats.images, np.int64) if weights is None else weights
    return Curves.of(stats).metrics(counted)


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Detections sorted by class and descending confidence, once for all resamples."""

    truth_image: IntArray
    truth_class: IntArray
    classes: int
    image: IntArray
    conf: FloatArray
    hit: BoolArray
    """True positive at IoU 0.50."""
    starts: IntArray
    """(classes + 1,) first detection of each class."""
    row: IntArray
    """Detection of each true positive, over all thresholds."""
    segment: IntArray
    """Class times `THRESHOLDS` plus threshold of each true positive, ascending."""
    first: IntArray
    """First true positive of the segment of each."""

    @classmethod
    def of(cls, stats: ImageStats) -> Self:
        """Sort the detections; classes without ground truth are left out."""
        kinds, truth_class = np.unique(stats.truth_kind, return_inverse=True)
        known = np.flatnonzero(np.isin(stats.kind, kinds))
        place = np.searchsorted(kinds, stats.kind[known])
        order = np.lexsort((-stats.conf[known], place))
        rows, place = known[order], place[order]
        row, threshold = np.nonzero(stats.tp[rows])
        segment = place[row] * THRESHOLDS + threshold
        by_segment = np.argsort(segment, kind="stable")
        return cls(
            truth_image=stats.truth_image,
            truth_class=truth_class,
            classes=len(kinds),
            image=stats.image[rows],
            conf=stats.conf[rows],
            hit=stats.tp[rows, 0],
            starts=np.searchsorted(place, np.arange(len(kinds) + 1)),
            row=row[by_segment],
            segment=segment[by_segment],
            first=np.searchsorted(segment[by_segment], segment[by_segment]),
        )

    def metric(self, name: str, weights: IntArray) -> float:
        """Return one of `METRICS` with each image counted `weights` times."""
        truths = self._truths(weights)
        if not truths.any():
            return 0.0
        if name in ("map50_95", "map50"):
            precision = self._average_precision(weights, truths)[truths > 0]
            return float(precision.mean() if name == "map50_95" else precision[:, 0].mean())
        return float(self._at_best_f1(weights, truths)[("precision", "recall").index(name)])

    def metrics(self, weights: IntArray) -> dict[str, float]:
        """Return all `METRICS` with each image counted `weights` times, for half the time of one after another."""
        truths = self._truths(weights)
        if not truths.any():
            return dict.fromkeys(METRICS, 0.0)
        average = self._average_precision(weights, truths)[truths > 0]
        values = (average.mean(), average[:, 0].mean(), *self._at_best_f1(weights, truths))
        return dict(zip(METRICS, map(float, values), strict=True))

    def _truths(self, weights: IntArray) -> IntArray:
        """Return the ground-truth boxes of each class."""
        return np.bincount(np.repeat(self.truth_class, weights[self.truth_image]), minlength=self.classes)

    def _average_precision(self, weights: IntArray, truths: IntArray) -> FloatArray:
        """Return (classes, THRESHOLDS) average precisions.

        Precision rises with a true positive and falls with a false one only, so the envelope between two recalls is
        the highest precision at any later true positive: false positives matter by their number alone.
        """
        counts = weights[self.image]
        before = np.cumsum(counts) - counts
        before -= np.append(before, 0)[self.starts[:-1]].repeat(np.diff(self.starts))
        copies = counts[self.row]
        ends = np.cumsum(copies)
        each = np.repeat(np.arange(len(copies)), copies)
        number, starts = np.arange(1, len(each) + 1), ends - copies
        copy = number - starts[each]
        hits = number - starts[self.first][each]
        segment = self.segment[each]
        precision = hits / (before[self.row][each] + copy)
        recall = hits / (truths[segment // THRESHOLDS] + TINY)
        below = np.searchsorted(RECALLS, recall) - 1
        envelope = np.zeros((self.classes * THRESHOLDS, len(RECALLS)))
        np.maximum.at(envelope, (segment, below), precision)
        envelope = np.maximum.accumulate(envelope[:, ::-1], axis=1)[:, ::-1]
        return np.trapezoid(envelope, RECALLS, axis=1).reshape(self.classes, THRESHOLDS)

    def _at_best_f1(self, weights: IntArray, truths: IntArray) -> tuple[float, float]:
        """Return mean precision and recall at the confidence where the smoothed mean F1 is highest."""
        present = np.flatnonzero(truths)
        precision, recall = np.zeros((2, len(present), len(CONFIDENCES)))
        for index, place in enumerate(present):
            part = slice(self.starts[place], self.starts[place + 1])
            copies = weights[self.image[part]]
            hits = np.cumsum(np.repeat(self.hit[part], copies))
            if len(hits):
                falling = -np.repeat(self.conf[part], copies)
                recall[index] = np.interp(-CONFIDENCES, falling, hits / (truths[place] + TINY), left=0)
                precision[index] = np.interp(-CONFIDENCES, falling, hits / np.arange(1, len(hits) + 1), left=1)
        f1 = (2 * precision * recall / (precision + recall + TINY)).mean(axis=0)
        padded = np.pad(f1, SMOOTHING // 2, mode="edge")
        best = np.convolve(padded, np.full(SMOOTHING, 1 / SMOOTHING), mode="valid").argmax()
        return precision[:, best].mean(), recall[:, best].mean()
