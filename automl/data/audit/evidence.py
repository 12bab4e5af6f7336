"""Evidence of several models on the labels of an image, and what is typical of each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from automl.data.audit.records import AuditImage, Detections, FloatArray, IntArray, corners
from automl.data.audit.thresholds import FEWEST, LEAST_CONF, NEAR, SAME_PLACE, TYPICAL_QUANTILE
from automl.storage.boxes import overlaps


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the models say about the labels of an image."""

    edges: FloatArray
    """(labels, 4) left, top, right, bottom."""
    cls: IntArray
    """(labels,)"""
    conf: FloatArray
    """(models, labels, classes) highest confidence of a detection of a class at the place of a label."""
    near: FloatArray
    """(models, labels, classes) the same, also for detections farther away, scaled down with their IoU."""
    matched: IntArray
    """(models, labels) the most confident detection of the label's class that overlaps this label most; -1: none."""
    iou: FloatArray
    """(models, labels) IoU of that detection."""

    @classmethod
    def of(cls, image: AuditImage, classes: int) -> Self:
        """Compare the detections of each model with the labels."""
        edges = np.array([corners(label.box) for label in image.labels], np.float64).reshape(-1, 4)
        kinds = np.array([label.cls for label in image.labels], np.int64)
        shape = (len(image.found), len(kinds))
        found = cls(
            edges, kinds, np.zeros((*shape, classes)), np.zeros((*shape, classes)), np.full(shape, -1), np.zeros(shape)
        )
        if len(kinds):
            for model, detections in enumerate(image.found):
                found._compare(model, detections)
        return found

    def _compare(self, model: int, detections: Detections) -> None:
        if not len(detections.conf):
            return
        iou = overlaps(self.edges, detections.boxes)
        weighted = detections.conf * np.minimum(1.0, iou / SAME_PLACE)
        here = detections.conf * (iou >= SAME_PLACE)
        for kind in np.unique(detections.kind):
            mine = detections.kind == kind
            self.conf[model, :, kind] = here[:, mine].max(1)
            self.near[model, :, kind] = weighted[:, mine].max(1)
        own = (iou >= NEAR) & (iou == iou.max(0)) & (self.cls[:, None] == detections.kind[None])
        merit = np.where(own, detections.conf * iou, -1.0)
        best = merit.argmax(1)
        rows = np.arange(len(self.cls))
        present = own.any(1)
        self.matched[model] = np.where(present, best, -1)
        self.iou[model] = np.where(present, iou[rows, best], 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Typical:
    """What is typical of each class, over all its labels and all models (confident learning)."""

    conf: tuple[FloatArray, ...]
    """For each class: confidences of the detections at labels of the class, ascending."""
    rate: FloatArray
    """(classes,) share of the labels that a model finds."""
    iou: FloatArray
    """(classes,) IoU that most found labels have at least."""

    @classmethod
    def of(cls, evidence: Sequence[Evidence], classes: int) -> Self:
        """Return the statistics; those of all classes together where a class has few labels."""
        own = [one.conf[:, np.arange(len(one.cls)), one.cls] for one in evidence]
        kinds = np.concatenate(
            [np.broadcast_to(one.cls, one.iou.shape).ravel() for one in evidence] or [np.zeros(0, np.int64)]
        )
        conf = np.concatenate([part.ravel() for part in own] or [np.zeros(0)])
        iou = np.concatenate([one.iou.ravel() for one in evidence] or [np.zeros(0)])
        groups = [kinds == kind for kind in range(classes)]
        groups = [group if (conf[group] > 0).sum() >= FEWEST else np.ones(len(kinds), np.bool_) for group in groups]
        return cls(
            conf=tuple(np.sort(conf[group & (conf > 0)]) for group in groups),
            rate=np.array([_mean(conf[group] > 0, empty=0.0) for group in groups]),
            iou=np.array([_quantile(iou[group & (conf > 0)]) for group in groups]),
        )

    def level(self, conf: FloatArray, cls: int) -> FloatArray:
        """Return confidences as shares of the detections at labels of the class that have no more; 0 to 1."""
        known = self.conf[cls]
        found = np.searchsorted(known, conf, side="right") / max(len(known), 1)
        return np.asarray(np.where(conf > 0, found if len(known) else conf, 0.0))

    def support(self, conf: FloatArray, cls: int) -> FloatArray:
        """Return confidences on a logarithmic scale: 0 for the least asked for, 1 from the class's median on."""
        known = self.conf[cls]
        usual = max(float(np.median(known)) if len(known) else 1.0, 2 * LEAST_CONF)
        scaled = np.log(np.maximum(conf, LEAST_CONF) / LEAST_CONF) / np.log(usual / LEAST_CONF)
        return np.asarray(np.minimum(1.0, scaled))


def _mean(values: FloatArray, *, empty: float) -> float:
    return float(np.mean(values)) if len(values) else empty


def _quantile(values: FloatArray) -> float:
    return float(np.quantile(values, TYPICAL_QUANTILE)) if len(values) else SAME_PLACE
