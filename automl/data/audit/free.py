"""Detections that fit no label, grouped by place: where a label may be missing."""

from dataclasses import dataclass

import numpy as np

from automl.data.audit.records import AuditImage, BoolArray, FloatArray
from automl.data.audit.thresholds import AT_BORDER, LEAST_CONF, LEAST_FREE, SAME_PLACE, TAKEN, TINIEST
from automl.storage.boxes import overlaps


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Detections of several models at one place, without a label."""

    values: FloatArray
    """(numbers,) description; the last is the class."""
    cls: int
    """Class of the most confident one."""
    box: FloatArray
    """(4,) median of those of the class."""
    votes: tuple[bool, ...]
    """For each model: it has one of the class."""


@dataclass(frozen=True, slots=True, eq=False)
class _Loose:
    """All detections of an image that overlap no label enough, by falling confidence."""

    boxes: FloatArray
    conf: FloatArray
    kind: FloatArray
    model: FloatArray
    overlap: FloatArray
    """Highest IoU with a label."""

    def at(self, chosen: BoolArray) -> "_Loose":
        """Return the chosen ones."""
        return _Loose(*(getattr(self, name)[chosen] for name in ("boxes", "conf", "kind", "model", "overlap")))


def places(image: AuditImage, labels: FloatArray, *, near: FloatArray | None = None) -> list[Place]:
    """Return the places with detections that fit none of the labels given by their edges.

    Args:
        image: the detections.
        labels: (labels, 4) left, top, right, bottom; those of the image, or fewer.
        near: (4,) only detections that overlap this box.
    """
    left = _loose(image, labels)
    if near is not None and len(left.conf):
        left = left.at(overlaps(near[None], left.boxes)[0] > 0)
    found = []
    while len(left.conf):
        here = overlaps(left.boxes[:1], left.boxes)[0] >= SAME_PLACE
        here[0] = True  # also a box without area, which overlaps nothing
        found.append(_place(left.at(here), labels, models=len(image.found)))
        left = left.at(~here)
    return found


def _loose(image: AuditImage, labels: FloatArray) -> _Loose:
    parts = []
    for model, found in enumerate(image.found):
        overlap = overlaps(labels, found.boxes).max(0, initial=0.0)
        chosen = (overlap < TAKEN) & (found.conf >= LEAST_FREE)
        rows = np.column_stack([found.boxes, found.conf, found.kind, np.full(len(found.conf), model), overlap])
        parts.append(rows[chosen])
    rows = np.concatenate(parts)
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    return _Loose(rows[:, :4], *rows[:, 4:].T)


def _place(group: _Loose, labels: FloatArray, *, models: int) -> Place:
    own, any_class = np.zeros(models), np.zeros(models)
    cls = int(group.kind[0])
    conf = np.log(np.maximum(group.conf, LEAST_CONF) / LEAST_CONF)
    np.maximum.at(any_class, group.model.astype(np.int64), conf)
    mine = group.kind == cls
    np.maximum.at(own, group.model[mine].astype(np.int64), conf[mine])
    box = np.median(group.boxes[mine], axis=0)
    width, height = np.maximum(box[2:] - box[:2], TINIEST)
    border = min(*box[:2], *(1 - box[2:])) < AT_BORDER
    values = np.array([
        own.mean(), own.min(), own.max(), any_class.mean(), any_class.min(), (own > 0).mean(),
        float(overlaps(box[None], group.boxes[mine]).mean()), group.overlap.max(), _covered(box, labels),
        np.log(width * height), np.log(width / height), float(border), cls,
    ])  # fmt: skip
    return Place(values, cls, box, tuple(bool(value > 0) for value in own))


def _covered(box: FloatArray, labels: FloatArray) -> float:
    """Return the largest share of a box that lies in one label: a part of an object is no missing label."""
    sides = np.minimum(labels[:, 2:], box[2:]) - np.maximum(labels[:, :2], box[:2])
    area = max(float((box[2:] - box[:2]).prod()), 1e-9)
    return float(np.clip(sides, 0, None).prod(1).max(initial=0.0) / area)
