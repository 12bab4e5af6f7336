"""Ranking of suspect labels by a classifier that has learned what a wrong label looks like to these models.

1. Each label is described by the detections around it, each place with detections but no label likewise.
2. Errors are made up: labels get another class, are moved, added and dropped in memory, and described in the same way.
3. A quadratic softmax regression learns to tell them from the labels as they are. It is fitted on four fifths of the
   images and asked on the rest, in turn, so that a wrong label does not teach that it is right.
4. With the share of labels expected to have each error, that gives the estimated probability that a label is wrong
   (Bayes), which is comparable between kinds, classes and sizes.

That the labels as they are contain a few wrong ones is learning from positive and unlabelled examples (Elkan and Noto,
2008): it lowers all probabilities, not their order. Local false discovery rates (Efron, 2001) rest on the same ratio.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from automl.data.audit import classifier, simulation
from automl.data.audit.description import CLASSES_LAST, Boxes, Described, describe, stacked
from automl.data.audit.free import Place, places
from automl.data.audit.records import (
    AuditImage,
    Claim,
    FloatArray,
    IntArray,
    Kind,
    Label,
    Suspect,
    centred,
    corners,
    suspect_of,
)
from automl.data.audit.thresholds import (
    EXPECTED,
    FAINT_CONF,
    IMAGES_LEARNED,
    LEAST_CONF,
    LEAST_PROBABILITY,
    PARTS,
    PENALTY,
    SAME_PLACE,
    TIGHT,
)
from automl.storage.boxes import overlaps

FAINT: Final = float(np.log(FAINT_CONF / LEAST_CONF))
OUTCOMES: Final = {
    simulation.SWAPPED: Kind.WRONG_CLASS,
    simulation.MOVED: Kind.LOOSE_BOX,
    simulation.ADDED: Kind.MISSED,
}
SEED: Final = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Descriptions of what is there and of made-up errors, with the image of each."""

    real: FloatArray
    real_image: IntArray
    made: FloatArray
    made_image: IntArray
    outcome: IntArray
    """(made rows,) 1 and more."""


def rank(images: Sequence[AuditImage], *, names: Sequence[str], models: Sequence[str]) -> list[Suspect]:
    """Return the suspect labels of images, the most probably wrong first; see `ranking.rank`."""
    labels = [describe(image, Boxes.labels(image), classes=len(names)) for image in images]
    free = [places(image, Boxes.labels(image).edges) for image in images]
    learned_from = _chosen(len(images))
    wrong = _by_image(_labels_wrong(images, labels, learned_from, classes=len(names)), labels)
    missing = _labels_missing(images, free, learned_from, classes=len(names))
    claims = [*_on_labels(images, labels, wrong, models=models), *_at_places(images, free, missing, models=models)]
    moved = _moved_to(labels, wrong)
    found = [
        suspect_of(images[number], label, claim, names=names)
        for number, label, claim in claims
        if claim.score >= LEAST_PROBABILITY and not (claim.kind is Kind.EXTRA and _is_at(claim, moved[number]))
    ]
    return sorted(found, key=lambda one: (-one.score, one.split, str(one.image), one.id))


def _chosen(count: int) -> list[int]:
    """Return the images in which errors are made up: all, or as many as are enough, evenly spaced."""
    return sorted({*np.linspace(0, count - 1, min(count, IMAGES_LEARNED)).round().astype(int).tolist()})


def _labels_wrong(
    images: Sequence[AuditImage], labels: Sequence[Described], learned_from: Sequence[int], *, classes: int
) -> FloatArray:
    """Return (labels of all images, 4) the estimated probability that a label is right, swapped, moved, added."""
    random = np.random.default_rng(SEED)
    made = [simulation.errors(images[number], random, classes=classes) for number in learned_from]
    rows = _Rows(
        real=stacked([one.values for one in labels]),
        real_image=np.repeat(np.arange(len(images)), [len(one.other) for one in labels]),
        made=stacked([values for values, _ in made]),
        made_image=np.repeat(learned_from, [len(kinds) for _, kinds in made]),
        outcome=np.concatenate([kinds for _, kinds in made]),
    )
    shares = np.array([1 - 3 * EXPECTED, EXPECTED, EXPECTED, EXPECTED])
    return _probabilities(rows, shares, one_hot=CLASSES_LAST, classes=classes)


def _labels_missing(
    images: Sequence[AuditImage], free: Sequence[Sequence[Place]], learned_from: Sequence[int], *, classes: int
) -> FloatArray:
    """Return (places of all images,) the estimated probability that a label is missing there."""
    made = [list(simulation.dropped(images[number])) for number in learned_from]
    count, known = sum(map(len, made)), sum(len(free[number]) for number in learned_from)
    if not count or not known:
        return np.zeros(sum(map(len, free)))
    rows = _Rows(
        real=np.array([place.values for seen in free for place in seen]),
        real_image=np.repeat(np.arange(len(images)), [len(seen) for seen in free]),
        made=np.array([values for seen in made for values in seen]),
        made_image=np.repeat(learned_from, [len(seen) for seen in made]),
        outcome=np.ones(count, np.int64),
    )
    share = min(0.5, EXPECTED * count / known)  # dropped labels that are seen, among all places
    return _probabilities(rows, np.array([1 - share, share]), one_hot=1, classes=classes)[:, 1]


def _probabilities(rows: _Rows, shares: FloatArray, *, one_hot: int, classes: int) -> FloatArray:
    """Return (real rows, outcomes) probabilities, each from a regression that has not seen the row's image."""
    both = np.concatenate([rows.real, rows.made])
    terms = classifier.Terms.of(both, one_hot=one_hot, classes=classes)(both)
    target = np.concatenate([np.zeros(len(rows.real), np.int64), rows.outcome])
    part = np.concatenate([rows.real_image, rows.made_image]) % PARTS
    counts = np.bincount(target, minlength=len(shares))
    weight = counts[0] / counts[target]  # as many of each outcome; their real shares come in below
    found = np.zeros((len(rows.real), len(shares)))
    for number in range(PARTS):
        taught, asked = part != number, np.flatnonzero(part[: len(rows.real)] == number)
        if len(asked):
            chance = classifier.fitted(
                terms[taught], target[taught], weight[taught], outcomes=len(shares), penalty=PENALTY
            )
            found[asked] = chance(terms[asked])
    found *= shares * (counts > 0)
    return np.asarray(found / found.sum(1, keepdims=True), np.float64)


def _by_image(chances: FloatArray, labels: Sequence[Described]) -> list[FloatArray]:
    return np.split(chances, np.cumsum([len(one.other) for one in labels])[:-1])


def _on_labels(
    images: Sequence[AuditImage], labels: Sequence[Described], chances: Sequence[FloatArray], *, models: Sequence[str]
) -> Iterator[tuple[int, Label, Claim]]:
    """Yield the number of an image, a label and its most probable error, with the probability of any."""
    for number, (image, seen, mine) in enumerate(zip(images, labels, chances, strict=True)):
        for place, (label, chance) in enumerate(zip(image.labels, mine, strict=True)):
            kind = _kind(chance, seen, place)
            cls = {Kind.WRONG_CLASS: int(seen.other[place]), Kind.LOOSE_BOX: label.cls}.get(kind)
            box = centred(seen.seen[place]) if kind is Kind.LOOSE_BOX else None
            agrees = _agreeing(kind, seen, place)
            agreeing = tuple(name for name, yes in zip(models, agrees, strict=False) if yes)
            yield number, label, Claim(kind, float(chance[1:].sum()), cls, box, agreeing, len(image.found))


def _kind(chance: FloatArray, seen: Described, place: int) -> Kind:
    """Return the most probable error of which a model's detections say so; the most probable one if there is none."""
    kinds = [OUTCOMES[int(outcome) + 1] for outcome in (-chance[1:]).argsort(kind="stable")]
    return next((kind for kind in kinds if any(_agreeing(kind, seen, place))), kinds[0])


def _agreeing(kind: Kind, seen: Described, place: int) -> Sequence[bool]:
    """Return for each model whether its detections say what is claimed."""
    own, others, iou = seen.own[:, place], seen.others[:, place], seen.own_iou[:, place]
    if kind is Kind.WRONG_CLASS:
        found = others > own
    elif kind is Kind.MISSED:
        found = np.maximum(own, others) < FAINT
    else:
        found = (iou > 0) & (iou < TIGHT)
    return [bool(value) for value in found]


def _at_places(
    images: Sequence[AuditImage], free: Sequence[Sequence[Place]], chances: FloatArray, *, models: Sequence[str]
) -> Iterator[tuple[int, None, Claim]]:
    """Yield the number of an image and a claim for each place where a label may be missing."""
    chance = iter(chances.tolist())
    for number, (image, seen) in enumerate(zip(images, free, strict=True)):
        for place in seen:
            agreeing = tuple(name for name, yes in zip(models, place.votes, strict=False) if yes)
            claim = Claim(Kind.EXTRA, next(chance), place.cls, centred(place.box), agreeing, len(image.found))
            yield number, None, claim


def _moved_to(labels: Sequence[Described], chances: Sequence[FloatArray]) -> list[FloatArray]:
    """Return for each image the (n, 4) places of objects whose labels are listed as loose."""
    found = []
    for seen, mine in zip(labels, chances, strict=True):
        loose = (mine[:, 1:].argmax(1) + 1 == simulation.MOVED) & (mine[:, 1:].sum(1) >= LEAST_PROBABILITY)
        found.append(seen.seen[loose & (seen.is_seen > 0)])
    return found


def _is_at(claim: Claim, boxes: FloatArray) -> bool:
    """Return True if a missing label is claimed where a moved one should be: it is named once."""
    return claim.box is not None and bool(
        overlaps(np.array([corners(claim.box)]), boxes).max(initial=0.0) >= SAME_PLACE
    )
