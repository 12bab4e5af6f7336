"""Label errors made up in memory, to learn what the detections around a wrong label look like.

Detections do not depend on the label that is judged where the model has not seen it, so that an error can be made in
any label without training again.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.random import Generator

from automl.data.audit.description import NONE, Boxes, describe
from automl.data.audit.free import Place, places
from automl.data.audit.records import AuditImage, FloatArray, IntArray
from automl.data.audit.thresholds import NEAR, SAME_PLACE, SHIFTS, STRETCH
from automl.storage.boxes import overlaps

SWAPPED: Final = 1
MOVED: Final = 2
ADDED: Final = 3
"""Outcomes of the classifier of labels, beside 0: right."""
TRIES: Final = 30
"""Random places that are tried for an added box."""


def errors(image: AuditImage, random: Generator, *, classes: int) -> tuple[FloatArray, IntArray]:
    """Return descriptions of an image's labels with one error each, of each kind, and the kinds."""
    labels = Boxes.labels(image)
    if not len(labels.cls):
        return np.zeros((0, 0)), np.zeros(0, np.int64)
    made = [(MOVED, _moved(labels, random)), (ADDED, _added(labels, random))]
    if classes > 1:
        made.append((SWAPPED, _swapped(labels, random, classes)))
    made = [(kind, boxes) for kind, boxes in made if len(boxes.cls)]
    values = np.concatenate([describe(image, boxes, classes=classes).values for _, boxes in made])
    return values, np.concatenate([np.full(len(boxes.cls), kind) for kind, boxes in made])


def _swapped(labels: Boxes, random: Generator, classes: int) -> Boxes:
    other = (labels.cls + random.integers(1, classes, len(labels.cls))) % classes
    return Boxes(labels.edges, other, labels.owner)


def _moved(labels: Boxes, random: Generator) -> Boxes:
    """Return labels shifted and stretched by a random share of their sides."""
    count = len(labels.cls)
    sides = labels.edges[:, 2:] - labels.edges[:, :2]
    middle = (labels.edges[:, 2:] + labels.edges[:, :2]) / 2
    shift = random.uniform(*SHIFTS, (count, 2)) * random.choice((-1.0, 1.0), (count, 2))
    half = sides * np.exp(random.uniform(-STRETCH, STRETCH, (count, 2))) / 2
    middle = middle + shift * sides
    edges = np.clip(np.concatenate([middle - half, middle + half], axis=1), 0.0, 1.0)
    return Boxes(edges, labels.cls, labels.owner)


def _added(labels: Boxes, random: Generator) -> Boxes:
    """Return boxes of the size of labels where no label is."""
    found, kinds = [], []
    for edges, kind in zip(labels.edges, labels.cls, strict=True):
        sides = np.minimum(edges[2:] - edges[:2], 0.9)
        corner = random.uniform(0.0, 1.0, (TRIES, 2)) * (1.0 - sides)
        tried = np.concatenate([corner, corner + sides], axis=1)
        free = np.flatnonzero(overlaps(tried, labels.edges).max(1) < NEAR)
        if len(free):
            found.append(tried[free[0]])
            kinds.append(kind)
    edges = np.array(found, np.float64).reshape(-1, 4)
    return Boxes(edges, np.array(kinds, np.int64), np.full(len(kinds), NONE))


def dropped(image: AuditImage) -> Iterator[FloatArray]:
    """Yield the description of what is seen at a label's place if that label were missing; nothing if nothing is."""
    labels = Boxes.labels(image).edges
    for number, edges in enumerate(labels):
        seen = places(image, np.delete(labels, number, 0), near=edges)
        if (best := _at(edges, seen)) is not None:
            yield best.values


def _at(edges: FloatArray, seen: Sequence[Place]) -> Place | None:
    if not seen:
        return None
    iou = overlaps(edges[None], np.array([place.box for place in seen]))[0]
    return seen[int(iou.argmax())] if iou.max() >= SAME_PLACE else None
