"""Rules on what ships: each planted fault is named, with its numbers; healthy models have no finding."""

from collections.abc import Callable

import numpy as np
import pytest

from automl.tracking.diagnosis import shipped_rules
from automl.tracking.diagnosis.detections import BACKGROUND
from automl.tracking.diagnosis.finding import Finding
from tests.tracking.diagnosis.scenes import Scene, scene, square


def found(made: Scene, *, threshold: float = 0.25, boxed: bool = True) -> dict[tuple[str, str], Finding]:
    return {one.key: one for one in shipped_rules.findings(made.model(threshold=threshold, boxed=boxed))}


def low_confidence() -> Scene:
    return scene(conf=((0.05, 0.2), (0.5, 0.95)), false=0.02)


def many_false() -> Scene:
    made = scene(false=0.0)
    made.found += [(image, 0, 0.35, square(0.24 * number, 0.9, 0.08)) for image in range(40) for number in range(3)]
    return made


def without_boxes() -> Scene:
    made = scene()
    lost = {(image, box) for image, kind, box in made.truth if kind == 1 and image % 3}
    keep = [one for one in made.found if not any(one[0] == at and abs(one[3][0] - box[0]) < 0.02 and
            abs(one[3][1] - box[1]) < 0.02 for at, box in lost)]  # fmt: skip
    return Scene(made.images, keep, made.truth)


def as_another() -> Scene:
    made = scene()
    found = [(image, 0 if image % 2 else kind, conf, box) for image, kind, conf, box in made.found]
    return Scene(made.images, found, made.truth)


def everywhere() -> Scene:
    made, draw = scene(), np.random.default_rng(1)
    for image in range(made.images):
        made.found += [
            (
                image,
                0,
                float(draw.uniform(0.3, 0.9)),
                square(float(draw.uniform(0.0, 0.97)), float(draw.uniform(0.0, 0.97)), 0.02),
            )
            for _ in range(5)
        ]
    return made


def at_one_place() -> Scene:
    made = scene()
    made.found += [(image, 1, 0.8, square(0.9, 0.9, 0.08)) for image in range(0, made.images, 3)]
    return made


def repeated() -> Scene:
    made = scene()
    made.found += [
        (image, kind, conf - 0.05, square(box[0] + 0.025, box[1])) for image, kind, conf, box in made.found[::2]
    ]
    return made


FAULTS: dict[tuple[str, str], Callable[[], Scene]] = {
    (shipped_rules.TOO_HIGH, "hole"): low_confidence,
    (shipped_rules.TOO_LOW, "hole"): many_false,
    (shipped_rules.FEATURES, "spot"): without_boxes,
    (shipped_rules.CONFUSED, "spot"): as_another,
    (BACKGROUND, ""): everywhere,
    (shipped_rules.SAME_PLACE, ""): at_one_place,
    (shipped_rules.DUPLICATES, ""): repeated,
}


def test_every_rule_has_a_planted_fault() -> None:
    assert {name for name, _ in FAULTS} == set(shipped_rules.NAMES)


@pytest.mark.parametrize("key", FAULTS, ids=lambda key: str(key[0]))
def test_a_planted_fault_is_named_with_numbers_and_advice(key: tuple[str, str]) -> None:
    finding = found(FAULTS[key]())[key]
    assert finding.evidence
    assert finding.advice
    assert any(sign.isdigit() for sign in finding.text)
    assert str(finding).startswith(f"{finding.trial}: {finding.name}: ")


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("threshold", [0.25, 0.4])
def test_a_healthy_model_has_no_finding(seed: int, threshold: float) -> None:
    assert found(scene(seed=seed), threshold=threshold) == {}
    assert found(scene(seed=seed, conf=((0.2, 0.9), (0.3, 0.95)))) == {}


def test_trouble_with_the_threshold_is_told_from_trouble_with_the_features() -> None:
    high = found(low_confidence())
    assert (shipped_rules.FEATURES, "hole") not in high
    finding = high[shipped_rules.TOO_HIGH, "hole"]
    assert "hole: recall 0.00 on test at the served threshold 0.25, 1.00 at" in finding.text
    assert finding.advice.startswith("lower the threshold: serve hole with conf=0.0")
    lost = found(without_boxes())
    assert {name for name, _ in lost} == {shipped_rules.FEATURES}
    assert "have no box at any confidence; half of these objects are smaller than 10 pixels" in lost[
        shipped_rules.FEATURES, "spot"].text  # fmt: skip


def test_detections_without_boxes_are_judged_by_their_threshold_and_their_recall() -> None:
    assert {name for name, _ in found(low_confidence(), boxed=False)} == {shipped_rules.TOO_HIGH}
    finding = found(without_boxes(), boxed=False)[shipped_rules.FEATURES, "spot"]
    assert finding.evidence == {"share": pytest.approx(0.65), "boxes": 80}


def test_a_class_of_few_boxes_is_not_judged() -> None:
    made = low_confidence()
    rare = [one for one in made.truth if one[1] == 1 or one[0] < 9]
    few = Scene(made.images, [one for one in made.found if one[1] == 1 or one[0] < 9], rare)
    assert found(few) == {}


def test_false_detections_where_objects_are_too_are_not_a_place() -> None:
    made = at_one_place()
    made.truth += [(image, 0, square(0.9, 0.9, 0.08)) for image in range(1, made.images, 3)]
    made.found += [(image, 0, 0.9, square(0.9, 0.9, 0.08)) for image in range(1, made.images, 3)]
    made.truth = [one for one in made.truth if one[0] < 3 or one[2][0] > 0.8]
    assert shipped_rules.SAME_PLACE not in {name for name, _ in found(made)}
