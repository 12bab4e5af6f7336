"""Ranking of suspect labels by rules, for data sets with too few labels to learn one.

Follows ObjectLab (Tkachenko, Thyagarajan and Mueller, 2023, "ObjectLab: Automated Diagnosis of Mislabeled Images in
Object Detection Data"), which scores overlooked, badly located and swapped boxes, and confident learning (Northcutt,
Jiang and Chuang, 2021), which compares a confidence with what is typical of its class. In place of one model several
are asked, and a score is their mean.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from automl.data.audit.evidence import Evidence, Typical
from automl.data.audit.records import (
    AuditImage,
    Box,
    Claim,
    FloatArray,
    IntArray,
    Kind,
    Label,
    Suspect,
    centred,
    suspect_of,
)
from automl.data.audit.thresholds import (
    AGREE,
    ERRORS,
    LEAST_SCORE,
    NEAR,
    SAME_PLACE,
    TAKEN,
    WEIGHTS,
    WORST_IOU,
)
from automl.storage.boxes import overlaps


@dataclass(frozen=True, slots=True)
class _Claim:
    """A suspicion on one label or one place, before it is a record."""

    kind: Kind
    score: float
    of: int
    """Class of the label; for `extra`, that of the detections."""
    votes: tuple[bool, ...]
    """For each model: it agrees."""
    cls: int | None = None
    box: Box | None = None
    """What the models see instead."""


NO_CLAIM: Final = _Claim(Kind.MISSED, 0.0, 0, ())


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
    """Return the suspect labels of images, the most suspicious first; see `ranking.rank`."""
    evidence = [Evidence.of(image, len(names)) for image in images]
    typical = Typical.of(evidence, len(names))
    sizes = np.bincount(np.concatenate([one.cls for one in evidence] or [np.zeros(0, np.int64)]), minlength=len(names))
    on_labels = [
        (place, number, claim)
        for place, (image, seen) in enumerate(zip(images, evidence, strict=True))
        for number in range(len(image.labels))
        for claim in (
            _wrong_class(seen, typical, number),
            _missed(seen, typical, number),
            _loose(image, seen, typical, number),
        )
    ]
    best = dict[tuple[int, int], _Claim]()
    for (place, number, _), claim in zip(on_labels, _unusual([one for *_, one in on_labels], sizes), strict=True):
        if claim.score > best.get((place, number), NO_CLAIM).score:
            best[place, number] = claim
    loose = defaultdict[int, set[int]](set)
    for (place, number), claim in best.items():
        if claim.kind is Kind.LOOSE_BOX and claim.score >= LEAST_SCORE:
            loose[place].add(number)
    free = [
        (place, claim)
        for place, (image, seen) in enumerate(zip(images, evidence, strict=True))
        for claim in _extras(image, seen, typical, loose=loose[place])
    ]
    extras = zip([place for place, _ in free], _unusual([claim for _, claim in free], sizes), strict=True)
    found = [
        *(
            _record(images[place], images[place].labels[number], claim, names=names, models=models)
            for (place, number), claim in best.items()
        ),
        *(_record(images[place], None, claim, names=names, models=models) for place, claim in extras),
    ]
    found = [one for one in found if one.score >= LEAST_SCORE]
    return sorted(found, key=lambda one: (-one.score, one.split, str(one.image), one.id))


def _unusual(claims: Sequence[_Claim], sizes: IntArray) -> list[_Claim]:
    """Return claims with scores lowered where claims of a kind are common among the labels of a class.

    With `p` the share of the class for which the kind is claimed at least as strongly, and `ERRORS` the share of labels
    with such an error before anything is seen, `ERRORS / (ERRORS + p)` is the probability of an error if a wrong label
    always gives such a claim (Bayes).
    """
    groups = defaultdict[tuple[Kind, int], list[int]](list)
    for number in sorted(range(len(claims)), key=lambda n: -claims[n].score):
        groups[claims[number].kind, claims[number].of].append(number)
    found = list(claims)
    for (_, cls), group in groups.items():
        for rank_, number in enumerate(group, start=1):
            common = rank_ / max(int(sizes[cls]), 1)
            found[number] = replace(claims[number], score=claims[number].score * ERRORS / (ERRORS + common))
    return found


def _levels(conf: FloatArray, typical: Typical) -> FloatArray:
    """Return (models, classes) confidences as levels of their classes."""
    return np.stack([typical.level(conf[:, cls], cls) for cls in range(conf.shape[1])], axis=1)


def _wrong_class(seen: Evidence, typical: Typical, number: int) -> _Claim:
    """Score the excess of the strongest other class over the label's own, both at the place of the label."""
    conf = _levels(seen.conf[:, number], typical)
    own = int(seen.cls[number])
    excess = np.clip(conf - conf[:, [own]], 0, None)
    excess[:, own] = 0.0
    other = int(excess.mean(0).argmax())
    score = float(excess[:, other].mean())
    votes = tuple(bool(value >= AGREE) for value in excess[:, other])
    return _Claim(Kind.WRONG_CLASS, WEIGHTS[Kind.WRONG_CLASS] * score, own, votes, cls=other)


def _missed(seen: Evidence, typical: Typical, number: int) -> _Claim:
    """Score how surely no model finds anything at the label, for a class that the models find as a rule."""
    near = seen.near[:, number]
    support = np.stack([typical.support(near[:, cls], cls) for cls in range(near.shape[1])]).max(0)
    score = float(typical.rate[seen.cls[number]]) * (1.0 - float(support.mean()))
    votes = tuple(bool(value < 1 - AGREE) for value in support)
    return _Claim(Kind.MISSED, WEIGHTS[Kind.MISSED] * score, int(seen.cls[number]), votes)


def _loose(image: AuditImage, seen: Evidence, typical: Typical, number: int) -> _Claim:
    """Score how far the detections of the label's object lie from its box, and how well they agree with each other."""
    own = int(seen.cls[number])
    usual = max(float(typical.iou[own]), WORST_IOU + 0.1)
    scores, boxes = np.zeros(len(image.found)), []
    for model, place in enumerate(seen.matched[:, number]):
        if place >= 0:
            conf = float(typical.level(image.found[model].conf[place], own))
            distance = np.clip((usual - seen.iou[model, number]) / (usual - WORST_IOU), 0.0, 1.0)
            scores[model] = conf * float(distance)
            boxes.append(image.found[model].boxes[place])
    if not boxes:
        return _Claim(Kind.LOOSE_BOX, 0.0, own, ())
    consensus = np.median(boxes, axis=0)
    agreement = float(overlaps(consensus[None], np.array(boxes)).mean())
    votes = tuple(bool(value >= AGREE) for value in scores)
    score = WEIGHTS[Kind.LOOSE_BOX] * float(scores.mean()) * agreement
    return _Claim(Kind.LOOSE_BOX, score, own, votes, cls=own, box=centred(consensus))


def _extras(image: AuditImage, seen: Evidence, typical: Typical, *, loose: set[int]) -> Iterator[_Claim]:
    """Yield the detections of several models that fit no label, grouped by class and place."""
    rest = sorted(_candidates(image, seen, typical, loose=loose), key=lambda one: -one.conf)
    while rest:
        first = rest[0]
        iou = overlaps(first.edges[None], np.array([one.edges for one in rest]))[0]
        near = iou >= SAME_PLACE
        near[0] = True  # also a box without area, which overlaps nothing
        group = [one for one, close in zip(rest, near, strict=True) if close and one.kind == first.kind]
        rest = [one for one, close in zip(rest, near, strict=True) if not close]
        by_model = {one.model: one for one in reversed(group)}
        conf = np.array([by_model[model].conf if model in by_model else 0.0 for model in range(len(image.found))])
        free = 1.0 - max(one.overlap for one in by_model.values()) / TAKEN
        score = WEIGHTS[Kind.EXTRA] * float(conf.mean()) * max(0.0, free)
        box = centred(np.median([one.edges for one in by_model.values()], axis=0))
        yield _Claim(
            Kind.EXTRA, score, first.kind, tuple(bool(value >= AGREE) for value in conf), cls=first.kind, box=box
        )


def _candidates(image: AuditImage, seen: Evidence, typical: Typical, *, loose: set[int]) -> Iterator[_Candidate]:
    for model, found in enumerate(image.found):
        iou = overlaps(seen.edges, found.boxes) if len(seen.edges) else np.zeros((1, len(found.conf)))
        best = iou.max(0) if len(found.conf) else np.zeros(0)
        for place in np.flatnonzero(best < TAKEN):
            owner = int(iou[:, place].argmax())
            if best[place] >= NEAR and owner in loose:
                continue
            kind = int(found.kind[place])
            conf = float(typical.level(found.conf[place], kind))
            yield _Candidate(model, conf, kind, found.boxes[place], float(best[place]))


def _record(
    image: AuditImage, label: Label | None, claim: _Claim, *, names: Sequence[str], models: Sequence[str]
) -> Suspect:
    agreeing = tuple(name for name, agrees in zip(models, claim.votes, strict=False) if agrees)
    made = Claim(claim.kind, claim.score, claim.cls, claim.box, agreeing, len(models))
    return suspect_of(image, label, made, names=names)
