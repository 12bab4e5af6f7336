"""Records of the label audit: labels and detections of an image, suspect labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.data.labels import label_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Box = tuple[float, float, float, float]
"""Centre x, centre y, width and height as shares of the image, as in label files."""
DIGITS: Final = 6


class Kind(StrEnum):
    """What may be wrong with a label."""

    MISSED = "missed"
    """A label that the models do not find: probably no object is there."""
    EXTRA = "extra"
    """A confident detection where there is no label: probably a label is missing."""
    WRONG_CLASS = "wrong class"
    """A label whose object the models see as another class."""
    LOOSE_BOX = "loose box"
    """A label whose object the models find at another place or with another size."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Detections of one model in one image."""

    boxes: FloatArray
    """(n, 4) left, top, right, bottom as shares of the image."""
    conf: FloatArray
    """(n,) confidence."""
    kind: IntArray
    """(n,) class number."""


@dataclass(frozen=True, slots=True)
class Label:
    """One valid line of a label file."""

    line: int
    """1 for the first line of the file."""
    cls: int
    box: Box


@dataclass(frozen=True, slots=True, eq=False)
class AuditImage:
    """An image with its labels and the detections of each model, in the order of the models."""

    split: str
    path: Path
    labels: Sequence[Label]
    found: Sequence[Detections]


@dataclass(frozen=True, slots=True)
class Suspect:
    """One suspect label, or one place where a label is probably missing."""

    id: str
    """The same in every audit with the same split, image name, kind and label (for `extra`: rounded detection)."""
    kind: Kind
    score: float
    """0 to 1; an estimated probability if it is learned (`ranking.is_learned`), else comparable in one audit only."""
    split: str
    image: Path
    labels: Path
    """The label file."""
    line: int | None
    """Line of the label file; None for `extra`."""
    cls: str | None
    """Class of the label; None for `extra`."""
    box: Box | None
    """Box of the label; None for `extra`."""
    suggested_cls: str | None
    """Class that the models see; None for `missed`: remove the label."""
    suggested_box: Box | None
    """Box that the models see; None for `missed`, and for `wrong class`, where the box of the label is kept."""
    models: tuple[str, ...]
    """Names of the models that agree."""
    asked: int
    """Number of models."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed of a label, or of a place without one."""

    kind: Kind
    score: float
    cls: int | None
    """Class that the models see; None: see `Suspect.suggested_cls`."""
    box: Box | None
    models: tuple[str, ...]
    """Names of the models that agree."""
    asked: int
    """Number of models."""


def suspect_of(image: AuditImage, label: Label | None, claim: Claim, *, names: Sequence[str]) -> Suspect:
    """Return the record of a claim on a label, or on a place without one."""
    cls, box = (label.cls, label.box) if label else (claim.cls or 0, claim.box or (0.0, 0.0, 0.0, 0.0))
    return Suspect(
        id=identifier(image.split, image.path.name, claim.kind, cls=cls, box=box),
        kind=claim.kind,
        score=round(claim.score, 4),
        split=image.split,
        image=image.path,
        labels=label_of(image.path),
        line=label.line if label else None,
        cls=names[label.cls] if label else None,
        box=label.box if label else None,
        suggested_cls=None if claim.cls is None else names[claim.cls],
        suggested_box=claim.box,
        models=claim.models,
        asked=claim.asked,
    )


def identifier(split: str, image: str, kind: Kind, *, cls: int, box: Box) -> str:
    """Return the stable id of a suspect.

    >>> identifier("val", "a.jpg", Kind.MISSED, cls=0, box=(0.5, 0.5, 0.1, 0.1))
    '0b46d04f4444'
    """
    text = " ".join([split, image, kind, str(cls), *(f"{value:.{DIGITS}f}" for value in box)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def corners(box: Box) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of a box.

    >>> corners((0.5, 0.5, 0.5, 0.25))
    (0.25, 0.375, 0.75, 0.625)
    """
    x, y, width, height = box
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def centred(edges: FloatArray) -> Box:
    """Return left, top, right, bottom as a box.

    >>> centred(np.array([0.25, 0.375, 0.75, 0.625]))
    (0.5, 0.5, 0.5, 0.25)
    """
    left, top, right, bottom = (float(value) for value in edges)
    values = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    x, y, width, height = (round(value, DIGITS) for value in values)
    return x, y, width, height
