"""Ranking of suspect labels by the detections of several models.

Follows ObjectLab (Tkachenko, Thyagarajan and Mueller, 2023, "ObjectLab: Automated Diagnosis of Mislabeled Images in
Object Detection Data"), which scores overlooked, badly located and swapped boxes, and confident learning (Northcutt,
Jiang and Chuang, 2021), which compares a confidence with what is typical of its class. In place of one model several
are asked, and a score is their mean.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from automl.data.audit.evidence import Evidence, Typical, overlaps
from automl.data.audit.records import AuditImage, Box, FloatArray, Kind, Label, Suspect, centred, identifier
from automl.data.audit.thresholds import (
    AGREE,
    LEAST_SCORE,
    NEAR,
    SAME_PLACE,
    SHARPNESS,
    TAKEN,
    WEIGHTS,
    WORST_IOU,
)
from automl.data.labels import label_of


@dataclass(frozen=True, slots=True)
class _Claim:
    """A suspicion on one label or one place, before it is a record."""

    kind: Kind
    score: float
    votes: tuple[bool, ...]
    """For each model: it agrees."""
    cls: int | None = None
    box: Box | None = None
    """What the models see instead."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A detection that fits no label."""

    model: int
    conf: float
    """As a share of what is typical of its class, at most 1."""
    kind: int
    edges: FloatArray
    overlap: float
    """Highest IoU with a label."""


def rank(images: Sequence[AuditImage], *, names: Sequence[str], models: Sequence[str]) -> list[Suspect]:
    """Return the suspect labels of images, the most suspicious first.

    A label is named once, for its most suspicious fault.

    Args:
        images: labels and detections; class numbers are places in `names`.
        names: class names.
        models: names of the models, in the order of the detections.
    """
    evidence = [Evidence.of(image, len(names)) for image in images]
    typical = Typical.of(evidence, len(names))
    found = [
        suspect
        for image, seen in zip(images, evidence, strict=True)
        for suspect in _suspects(image, seen, typical, names=names, models=models)
    ]
    return sorted(found, key=lambda one: (-one.score, one.split, str(one.image), one.id))


def _suspects(
    image: AuditImage, seen: Evidence, typical: Typical, *, names: Sequence[str], models: Sequence[str]
) -> Iterator[Suspect]:
    loose = set[int]()
    for number, label in enumerate(image.labels):
        claims = [
            _wrong_class(seen, typical, number),
            _missed(seen, typical, number),
            _loose(image, seen, typical, number),
        ]
        best = max(claims, key=lambda claim: claim.score)
        if best.score >= LEAST_SCORE:
            if best.kind is Kind.LOOSE_BOX:
                loose.add(number)
            yield _record(image, label, best, names=names, models=models)
    for claim in _extras(image, seen, typical, loose=loose):
        if claim.score >= LEAST_SCORE:
            yield _record(image, None, claim, names=names, models=models)


def _relative(conf: FloatArray, typical: FloatArray) -> FloatArray:
    """Return confidences as shares of what is typical, at most 1."""
    return np.asarray(np.minimum(1.0, conf / typical))


def _wrong_class(seen: Evidence, typical: Typical, number: int) -> _Claim:
    """Score the excess of the strongest other class over the label's own, both at the place of the label."""
    conf = _relative(seen.conf[:, number], typical.conf)
    own = int(seen.cls[number])
    excess = np.clip(conf - conf[:, [own]], 0, None)
    excess[:, own] = 0.0
    other = int(excess.mean(0).argmax())
    score = float(excess[:, other].mean())
    votes = tuple(bool(value >= AGREE) for value in excess[:, other])
    return _Claim(Kind.WRONG_CLASS, WEIGHTS[Kind.WRONG_CLASS] * score, votes, cls=other)


def _missed(seen: Evidence, typical: Typical, number: int) -> _Claim:
    """Score how surely no model finds anything at the label, for a class that the models find as a rule."""
    support = _relative(seen.near[:, number], typical.conf).max(1)
    score = float(typical.rate[seen.cls[number]]) * (1.0 - float(support.mean())) ** SHARPNESS
    votes = tuple(bool(value < 1 - AGREE) for value in support)
    return _Claim(Kind.MISSED, WEIGHTS[Kind.MISSED] * score, votes)


def _loose(image: AuditImage, seen: Evidence, typical: Typical, number: int) -> _Claim:
    """Score how far the detections of the label's object lie from its box, and how well they agree with each other."""
    own = int(seen.cls[number])
    usual = max(float(typical.iou[own]), WORST_IOU + 0.1)
    scores, boxes = np.zeros(len(image.found)), []
    for model, place in enumerate(seen.matched[:, number]):
        if place >= 0:
            conf = float(_relative(image.found[model].conf[place], typical.conf[own]))
            distance = np.clip((usual - seen.iou[model, number]) / (usual - WORST_IOU), 0.0, 1.0)
            scores[model] = conf * float(distance)
            boxes.append(image.found[model].boxes[place])
    if not boxes:
        return _Claim(Kind.LOOSE_BOX, 0.0, ())
    consensus = np.median(boxes, axis=0)
    agreement = float(overlaps(consensus[None], np.array(boxes)).mean())
    votes = tuple(bool(value >= AGREE) for value in scores)
    score = WEIGHTS[Kind.LOOSE_BOX] * float(scores.mean()) * agreement
    return _Claim(Kind.LOOSE_BOX, score, votes, cls=own, box=centred(consensus))


def _extras(image: AuditImage, seen: Evidence, typical: Typical, *, loose: set[int]) -> Iterator[_Claim]:
    """Yield the detections of several models that fit no label, grouped by class and place."""
    rest = sorted(_candidates(image, seen, typical, loose=loose), key=lambda one: -one.conf)
    while rest:
        first = rest[0]
        iou = overlaps(first.edges[None], np.array([one.edges for one in rest]))[0]
        near = iou >= SAME_PLACE
        group = [one for one, close in zip(rest, near, strict=True) if close and one.kind == first.kind]
        rest = [one for one, close in zip(rest, near, strict=True) if not close]
        by_model = {one.model: one for one in reversed(group)}
        conf = np.array([by_model[model].conf if model in by_model else 0.0 for model in range(len(image.found))])
        free = 1.0 - max(one.overlap for one in by_model.values()) / TAKEN
        score = WEIGHTS[Kind.EXTRA] * float(conf.mean()) * max(0.0, free)
        box = centred(np.median([one.edges for one in by_model.values()], axis=0))
        yield _Claim(Kind.EXTRA, score, tuple(bool(value >= AGREE) for value in conf), cls=first.kind, box=box)


def _candidates(image: AuditImage, seen: Evidence, typical: Typical, *, loose: set[int]) -> Iterator[_Candidate]:
    for model, found in enumerate(image.found):
        iou = overlaps(seen.edges, found.boxes) if len(seen.edges) else np.zeros((1, len(found.conf)))
        best = iou.max(0) if len(found.conf) else np.zeros(0)
        for place in np.flatnonzero(best < TAKEN):
            owner = int(iou[:, place].argmax())
            if best[place] >= NEAR and owner in loose:
                continue
            kind = int(found.kind[place])
            conf = float(_relative(found.conf[place], typical.conf[kind]))
            yield _Candidate(model, conf, kind, found.boxes[place], float(best[place]))


def _record(
    image: AuditImage, label: Label | None, claim: _Claim, *, names: Sequence[str], models: Sequence[str]
) -> Suspect:
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
        models=tuple(name for name, agrees in zip(models, claim.votes, strict=False) if agrees),
        asked=len(models),
    )
