"""Description of boxes by the detections around them, as numbers for the classifier of the label audit.

The numbers follow ObjectLab (Tkachenko, Thyagarajan and Mueller, 2023): confidence for the class of the label, for
other classes and for none, and the distance to where the models see the object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from automl.data.audit.records import AuditImage, Detections, FloatArray, IntArray, corners
from automl.data.audit.thresholds import AT_BORDER, LEAST_CONF, NEAR, SAME_PLACE, TINIEST
from automl.storage.boxes import overlaps

NONE: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes of one image that are to be described: its labels, or others in their place."""

    edges: FloatArray
    """(boxes, 4) left, top, right, bottom as shares of the image."""
    cls: IntArray
    """(boxes,)"""
    owner: IntArray
    """(boxes,) the label of the image in whose place a box stands, -1 for none: all other labels are its rivals."""

    @classmethod
    def labels(cls, image: AuditImage) -> Self:
        """Return the labels of an image."""
        kinds = np.array([label.cls for label in image.labels], np.int64)
        edges = np.array([corners(label.box) for label in image.labels], np.float64).reshape(-1, 4)
        return cls(edges, kinds, np.arange(len(kinds)))


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What the models say about boxes."""

    values: FloatArray
    """(boxes, numbers) the last two are the class and the other class."""
    other: IntArray
    """(boxes,) the class that the models see most, beside that of the box."""
    seen: FloatArray
    """(boxes, 4) mean box of the detections of its class; that of the box itself where there is none."""
    is_seen: IntArray
    """(boxes,) number of models with such a detection."""
    own: FloatArray
    """(models, boxes) support for the class of the box: 0 without a detection, else the logarithm of its confidence."""
    others: FloatArray
    """(models, boxes) the same for all other classes."""
    own_iou: FloatArray
    """(models, boxes) IoU with the detection of the class, 0 without one."""


CLASSES_LAST: Final = 2
"""Numbers at the end of `Described.values` that are class numbers."""


def describe(image: AuditImage, boxes: Boxes, *, classes: int) -> Described:
    """Describe boxes of an image. A detection speaks for the label that it overlaps most, and for no other."""
    labels = Boxes.labels(image).edges
    parts = [_of_model(found, boxes, labels, classes) for found in image.found]
    own, others, near, own_near, own_iou, best_iou = (np.stack([part[name] for part in parts]) for name in SIGNALS)
    support = np.mean([part["classes"] for part in parts], axis=0)
    rows = np.arange(len(boxes.cls))
    support[rows, boxes.cls] = -1.0
    other = support.argmax(1)
    matched, seen = own_iou > 0, np.stack([part["seen"] for part in parts])
    count = matched.sum(0)
    mean = np.where(count[:, None] > 0, (seen * matched[..., None]).sum(0) / np.maximum(count, 1)[:, None], boxes.edges)
    agreement = (paired(seen, np.broadcast_to(mean, seen.shape)) * matched).sum(0) / np.maximum(count, 1)
    values = np.stack([
        own.mean(0), own.min(0), others.mean(0), others.min(0), own.mean(0) - others.mean(0),
        near.mean(0), near.max(0), own_near.mean(0), own_iou.mean(0), own_iou.max(0), best_iou.mean(0),
        count / len(image.found), agreement, paired(mean, boxes.edges), *_distances(mean, boxes.edges),
        *_shape(boxes, labels), boxes.cls, other,
    ], axis=1)  # fmt: skip
    return Described(values, other, mean, count, own, others, own_iou)


SIGNALS: Final = ("own", "others", "near", "own_near", "own_iou", "best_iou")


def _of_model(found: Detections, boxes: Boxes, labels: FloatArray, classes: int) -> dict[str, FloatArray]:
    """Return the signals of one model for each box, its support by class, and the detection of the box's class."""
    count = len(boxes.cls)
    none = {name: np.zeros(count) for name in SIGNALS} | {"classes": np.zeros((count, classes)), "seen": boxes.edges}
    if not len(found.conf) or not count:
        return none
    iou = overlaps(boxes.edges, found.boxes)
    mine = iou >= _rivals(boxes, overlaps(labels, found.boxes))
    conf = np.log(np.maximum(found.conf, LEAST_CONF) / LEAST_CONF) * mine
    by_class = np.zeros((count, classes))
    here, nearby = conf * (iou >= SAME_PLACE), conf * np.minimum(1.0, iou / SAME_PLACE)
    for kind in np.unique(found.kind):
        by_class[:, kind] = here[:, found.kind == kind].max(1)
    same = boxes.cls[:, None] == found.kind[None]
    rows = np.arange(count)
    merit = np.where(same & mine & (iou >= NEAR), found.conf * iou, 0.0)
    place, strongest = merit.argmax(1), (found.conf * iou * mine).argmax(1)
    is_matched = merit[rows, place] > 0
    without = by_class.copy()
    without[rows, boxes.cls] = 0.0
    return {
        "own": by_class[rows, boxes.cls],
        "others": without.max(1),
        "near": nearby.max(1),
        "own_near": (nearby * same).max(1),
        "own_iou": np.where(is_matched, iou[rows, place], 0.0),
        "best_iou": iou[rows, strongest] * mine[rows, strongest],
        "classes": by_class,
        "seen": np.where(is_matched[:, None], found.boxes[place], boxes.edges),
    }


def _rivals(boxes: Boxes, iou: FloatArray) -> FloatArray:
    """Return (boxes, detections) the highest IoU of a detection with a label in whose place the box does not stand."""
    found = np.zeros((len(boxes.cls), iou.shape[1]))
    for number in range(len(boxes.cls)):
        rest = np.delete(iou, boxes.owner[number], 0) if boxes.owner[number] != NONE else iou
        found[number] = rest.max(0, initial=0.0)
    return found


def _distances(seen: FloatArray, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far boxes are shifted, in their own sides, and how much larger or smaller they are, in logarithms."""
    sides = np.maximum(edges[:, 2:] - edges[:, :2], TINIEST)
    theirs = np.maximum(seen[:, 2:] - seen[:, :2], TINIEST)
    shift = np.abs(seen[:, :2] + seen[:, 2:] - edges[:, :2] - edges[:, 2:]) / 2 / sides
    return np.minimum(shift.max(1), 2.0), np.abs(np.log(theirs / sides)).max(1)


def _shape(boxes: Boxes, labels: FloatArray) -> tuple[FloatArray, ...]:
    """Return logarithms of area and aspect, highest IoU with a rival, and whether boxes touch the border."""
    width, height = np.maximum(boxes.edges[:, 2:] - boxes.edges[:, :2], TINIEST).T
    among = _rivals_of_boxes(boxes, labels)
    border = np.minimum(boxes.edges[:, :2].min(1), 1 - boxes.edges[:, 2:].max(1)) < AT_BORDER
    return np.log(width * height), np.log(width / height), among, border.astype(np.float64)


def _rivals_of_boxes(boxes: Boxes, labels: FloatArray) -> FloatArray:
    iou = overlaps(boxes.edges, labels)
    owned = np.flatnonzero(boxes.owner != NONE)
    iou[owned, boxes.owner[owned]] = 0.0
    return np.asarray(iou.max(1, initial=0.0), np.float64)


def paired(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the IoU of boxes at the same places of two arrays.

    >>> paired(np.array([[0.0, 0.0, 0.5, 1.0]]), np.array([[0.0, 0.0, 1.0, 1.0]])).tolist()
    [0.5]
    """
    low, high = np.maximum(first[..., :2], second[..., :2]), np.minimum(first[..., 2:], second[..., 2:])
    common = np.clip(high - low, 0, None).prod(-1)
    areas = [np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(-1) for boxes in (first, second)]
    whole = areas[0] + areas[1] - common
    return np.asarray(np.divide(common, whole, out=np.zeros_like(common), where=whole > 0), np.float64)


def stacked(parts: Sequence[FloatArray]) -> FloatArray:
    """Return rows below each other; an array without rows where there are none."""
    kept = [part for part in parts if len(part)]
    return np.concatenate(kept) if kept else np.zeros((0, 0))
