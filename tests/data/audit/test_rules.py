"""Suspect labels by rules: what the models agree on, what they do not, and the order of the list."""

import pytest

from automl.data.audit import rules
from automl.data.audit.records import AuditImage, Kind, Suspect
from tests.data.audit.builders import ELSEWHERE, HOME, MODELS, NAMES, detections, healthy, image


def ranked(*images: AuditImage) -> list[Suspect]:
    return rules.rank([*healthy(100), *images], names=NAMES, models=MODELS)


def test_labels_that_the_models_confirm_are_no_suspects() -> None:
    assert ranked() == []
    assert rules.rank([], names=NAMES, models=MODELS) == []


def test_a_label_that_no_model_finds_is_missed() -> None:
    (found,) = ranked(image("a", [(0, HOME), (1, ELSEWHERE)], *[[(1, ELSEWHERE, 0.8)]] * 3))
    assert (found.kind, found.line, found.cls, found.box) == (Kind.MISSED, 1, "bolt", HOME)
    assert (found.suggested_cls, found.suggested_box, found.models) == (None, None, MODELS)
    assert str(found.labels) == "/d/labels/val/a.txt"


def test_a_detection_without_a_label_is_extra() -> None:
    (found,) = ranked(image("a", [(0, HOME)], *[[(0, HOME, 0.8), (1, ELSEWHERE, 0.9)]] * 3))
    assert (found.kind, found.line, found.cls, found.box) == (Kind.EXTRA, None, None, None)
    assert found.suggested_cls == "washer"
    assert found.suggested_box == pytest.approx(ELSEWHERE)


def test_a_label_that_the_models_see_as_another_class_is_of_the_wrong_class() -> None:
    (found,) = ranked(image("a", [(0, HOME)], *[[(1, HOME, 0.8)]] * 3))
    assert (found.kind, found.cls, found.suggested_cls) == (Kind.WRONG_CLASS, "bolt", "washer")


def test_a_box_beside_its_object_is_loose_and_no_label_is_missing() -> None:
    moved = (HOME[0] + 0.06, HOME[1] + 0.05, *HOME[2:])
    (found,) = ranked(image("a", [(0, moved)], *[[(0, HOME, 0.8)]] * 3))
    assert (found.kind, found.box) == (Kind.LOOSE_BOX, moved)
    assert found.suggested_box == pytest.approx(HOME)


def test_agreement_of_more_models_ranks_higher() -> None:
    def seen_by(count: int) -> AuditImage:
        seen = [(0, HOME, 0.8), (1, ELSEWHERE, 0.8)]
        return image(f"by{count}", [(0, HOME)], *[seen if number < count else seen[:1] for number in range(3)])

    found = ranked(seen_by(1), seen_by(3), seen_by(2))
    assert [len(one.models) for one in found] == [3, 2, 1]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert [one.asked for one in found] == [3, 3, 3]


def test_labels_of_a_class_that_is_seldom_found_are_less_suspicious() -> None:
    hard = [image(f"hard{number}", [(1, HOME)], [], [], []) for number in range(40)]
    missed = [one for one in ranked(*hard) if one.cls == "washer"]
    alone = [one for one in ranked(hard[0]) if one.cls == "washer"]
    assert max((one.score for one in missed), default=0.0) < alone[0].score


def test_a_label_is_named_once_and_ids_stay_when_its_line_moves() -> None:
    wrong = [[(1, HOME, 0.8)]] * 3
    first = ranked(image("a", [(0, HOME)], *wrong))
    later = ranked(image("a", [(1, ELSEWHERE), (0, HOME)], *[[*seen, (1, ELSEWHERE, 0.8)] for seen in wrong]))
    assert [one.id for one in first] == [one.id for one in later]
    assert (first[0].line, later[0].line) == (1, 2)


def test_a_detection_without_area_is_no_error() -> None:
    (found,) = ranked(image("a", [(0, HOME)], *[[(0, HOME, 0.8), (1, (1.0, 0.5, 0.0, 0.1), 0.9)]] * 3))[:1]
    assert found.kind == Kind.EXTRA


def test_images_without_labels_or_detections_are_no_error() -> None:
    assert rules.rank([image("a", [], [], [], [])], names=NAMES, models=MODELS) == []
    assert rules.rank([image("a", [], [(0, HOME, 0.9)])], names=NAMES, models=MODELS[:1]) == []
    assert ranked(image("a", [(0, HOME)], [], [], []))[0].kind == Kind.MISSED
    assert len(detections().conf) == 0
