"""The learned ranking: it puts errors of each kind before labels that are right, and names each place once."""

from dataclasses import replace
from functools import cache

import numpy as np

from automl.data.audit import learned, ranking, rules
from automl.data.audit.records import AuditImage, Box, Kind, Label, Suspect
from tests.data.audit.builders import MODELS, NAMES, detections, image

GRID = (0.2, 0.5, 0.8)
IMAGES = 20
WRONG = {Kind.WRONG_CLASS: (3, 1), Kind.LOOSE_BOX: (7, 2), Kind.MISSED: (11, None), Kind.EXTRA: (13, 4)}
"""Kind to the image with such an error and its label."""
FREE: Box = (0.5, 0.07, 0.1, 0.1)


def scene(number: int) -> AuditImage:
    """Return an image with nine labels that two models find, with noise in place and confidence."""
    random = np.random.default_rng(number)
    boxes = [(int(random.integers(2)), (x, y, 0.14, 0.14)) for x in GRID for y in GRID]
    seen = [
        [
            (cls, (x + random.normal(0, 0.006), y + random.normal(0, 0.006), w, h), float(random.uniform(0.5, 0.9)))
            for cls, (x, y, w, h) in boxes
            if random.random() > 0.03
        ]
        for _ in range(2)
    ]
    return image(f"s{number}", boxes, *seen)


def with_error(found: AuditImage, kind: Kind, place: int | None) -> AuditImage:
    labels = [*found.labels]
    if place is None:
        labels.append(Label(10, 0, FREE))
    elif kind is Kind.EXTRA:
        del labels[place]
    else:
        label = labels[place]
        x, y, w, h = label.box
        moved = kind is Kind.LOOSE_BOX
        labels[place] = replace(label, box=(x + 0.04, y - 0.04, w, h)) if moved else replace(label, cls=1 - label.cls)
    return replace(found, labels=labels)


@cache
def ranked() -> tuple[Suspect, ...]:
    images = [scene(number) for number in range(IMAGES)]
    for kind, (number, place) in WRONG.items():
        images[number] = with_error(images[number], kind, place)
    return tuple(learned.rank(images, names=NAMES, models=MODELS[:2]))


def test_an_error_of_each_kind_is_among_the_first_with_what_the_models_see() -> None:
    first = {one.image.stem: one for one in ranked()[:6]}
    for kind, (number, _) in WRONG.items():
        assert first[f"s{number}"].kind is kind
    swapped, loose, missed, extra = (first[f"s{number}"] for number, _ in WRONG.values())
    assert {swapped.cls, swapped.suggested_cls} == set(NAMES)
    assert (missed.cls, missed.box, missed.suggested_cls, missed.models) == ("bolt", FREE, None, MODELS[:2])
    assert loose.suggested_box is not None
    assert loose.box is not None
    assert np.hypot(loose.box[0] - loose.suggested_box[0], loose.box[1] - loose.suggested_box[1]) > 0.04
    assert (extra.line, extra.cls, extra.asked) == (None, None, 2)


def test_scores_are_probabilities_and_the_same_at_every_call() -> None:
    scores = [one.score for one in ranked()]
    assert scores == sorted(scores, reverse=True)
    assert min(scores[:4]) > 0.3
    assert max(scores) <= 1
    assert len([score for score in scores if score > 0.3]) < 10
    assert len({one.id for one in ranked()}) == len(ranked())


def test_a_moved_label_is_not_also_a_missing_one() -> None:
    number, _ = WRONG[Kind.LOOSE_BOX]
    assert [one.kind for one in ranked() if one.image.stem == f"s{number}" and one.score > 0.1] == [Kind.LOOSE_BOX]


def test_few_labels_are_ranked_by_rules() -> None:
    few = [scene(number) for number in range(4)]
    assert not ranking.is_learned(few)
    assert ranking.rank(few, names=NAMES, models=MODELS[:2]) == rules.rank(few, names=NAMES, models=MODELS[:2])
    assert ranking.is_learned([scene(number) for number in range(34)])


def test_one_class_images_without_labels_and_models_that_see_nothing_are_no_error() -> None:
    alone = [
        replace(
            one,
            labels=[replace(label, cls=0) for label in one.labels],
            found=[replace(found, kind=0 * found.kind) for found in one.found],
        )
        for one in map(scene, range(5))
    ]
    none = detections()
    blind = [replace(one, found=[none, none]) for one in alone]
    empty = image("empty", [], [(0, FREE, 0.9)], [])
    for images in ([*alone, empty], [*blind, image("empty", [], [], [])]):
        found = learned.rank(images, names=NAMES[:1], models=MODELS[:2])
        assert all(0 <= one.score <= 1 and one.kind is not Kind.WRONG_CLASS for one in found)
