"""Every rule on a training: it finds its fault under its own name, and nothing in a healthy training."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.study import EndReason
from automl.tracking.diagnosis import training_rules
from tests.tracking.diagnosis.records import HEALTHY, SETTINGS, falling, record_of

UP_AND_DOWN = [2.0, 3.0] * 6
FAULTS: Mapping[str, tuple[Mapping[str, Sequence[float]], Mapping[str, Any]]] = {
    "loss oscillates": ({"train/box_loss": UP_AND_DOWN}, {}),
    "one loss oscillates": ({"train/cls_loss": UP_AND_DOWN, "train/box_loss": [1.0] * 12}, {}),
    "collapsed": (
        {**{f"train/{name}": [*falling(3.0, 0.001)] for name in ("box_loss", "cls_loss", "dfl_loss")},
         **{f"val/{name}": [0.0] * 12 for name in ("map50", "map50_95", "best_f1", "recall_medium")}},
        {},
    ),
    "overfitting": ({"val/cls_loss": [*falling(4.0, epochs=4), *[3.2 + 0.5 * step for step in range(8)]]}, {}),
    "box loss slow": ({"train/box_loss": falling(3.0, 0.995)}, {}),
    "plateau": (
        {"train/box_loss": [1.5] * 12, "train/cls_loss": [1.0] * 12, "train/dfl_loss": [1.0] * 12,
         "val/map50_95": [0.3] * 12},
        {},
    ),
    "nothing learned": ({"val/map50": [0.001] * 12, "val/best_f1": [0.01] * 12, "val/recall_medium": [0.0] * 12}, {}),
    "augmentation without effect": ({"input/unchanged_share": [1.0]}, {}),
    "mosaic closed": ({}, {"settings": {**SETTINGS, "close_mosaic": 20}}),
    "objects made tiny": ({"input/tiny_share": [0.4] * 12}, {}),
    "data loader slow": ({"time/data_wait_share": [0.7] * 12}, {}),
    "slower than probed": ({"time/epoch_s": [9.0] * 12, "time/probed_epoch_s": [3.0] * 12}, {}),
    "class suppressed": ({"class_ap50/scratch": [0.02] * 12}, {}),
    "small objects missed": ({"val/recall_small": [0.1] * 12}, {}),
    "low confidence": ({"val/best_f1_threshold": [0.01] * 12}, {}),
    "attention to background": ({"val/background_share": [0.6] * 12}, {}),
    "not finite": ({}, {"reason": EndReason.NOT_FINITE}),
    "batch halved": ({}, {"changed": "out of memory: batch 16 did not fit and was halved to 8"}),
}  # fmt: skip


def test_a_healthy_training_has_no_finding_after_any_epoch() -> None:
    assert [finding for epoch in range(13) for finding in training_rules.findings(record_of().until(epoch))] == []


def test_every_rule_has_a_fault_here() -> None:
    assert FAULTS.keys() == {*training_rules.NAMES}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_under_its_own_name(name: str) -> None:
    curves, changes = FAULTS[name]
    found = training_rules.findings(record_of(curves, **changes))
    assert [finding.name for finding in found] == [name]
    assert found[0].trial == "trial 3"
    assert found[0].text
    assert found[0].advice
    assert found[0].evidence


def test_the_finding_on_a_class_names_it_and_its_share_of_boxes() -> None:
    found = training_rules.findings(record_of({"class_ap50/scratch": [0.02] * 12}))[0]
    assert str(found).startswith(
        "trial 3, epoch 12: class suppressed: scratch has AP50 0.02, the others 0.72, with 37% of the training boxes; "
    )


def test_the_component_that_drives_an_oscillation_is_named() -> None:
    found = training_rules.findings(record_of({"train/dfl_loss": UP_AND_DOWN}))[0]
    assert found.text.startswith("train/dfl_loss changes by 40%")


@pytest.mark.parametrize("settings", [{"fliplr": 0.1}, {"mosaic": 1.0, "close_mosaic": 20}, {}])
def test_inputs_that_settings_leave_alike_are_no_finding(settings: Mapping[str, Any]) -> None:
    found = training_rules.findings(record_of({"input/unchanged_share": [1.0]}, settings=settings))
    assert "augmentation without effect" not in {finding.name for finding in found}


def test_a_class_that_is_found_with_low_confidence_only_is_suppressed() -> None:
    recall = {"class_recall/hole": [0.5] * 12, "class_recall/scratch": [0.05] * 12, "class_recall/spot": [0.6] * 12}
    found = training_rules.findings(record_of(recall))
    assert [(finding.name, finding.subject) for finding in found] == [("class suppressed", "scratch")]


def test_an_oscillating_validation_loss_is_found_while_the_map_does_not_improve() -> None:
    falling_map = {"val/map50": [0.5] * 6 + [0.4] * 6}
    found = training_rules.findings(record_of({"val/cls_loss": UP_AND_DOWN, **falling_map}))
    assert [finding.name for finding in found] == ["loss oscillates"]
    assert training_rules.findings(record_of({"val/cls_loss": UP_AND_DOWN})) == []


def test_an_oscillation_of_a_dominant_loss_is_its_own() -> None:
    curves = {
        "val/box_loss": [20.0, 30.0] * 6, "val/map50": [0.5] * 6 + [0.4] * 6, "train/box_loss": [25.0] * 12,
        "train/cls_loss": [1.0] * 12,
    }  # fmt: skip
    found = training_rules.findings(record_of(curves))
    assert [finding.name for finding in found if "oscillates" in finding.name] == ["one loss oscillates"]
    assert "while cls_loss" in found[0].text


def test_a_metric_that_varies_widely_and_does_not_improve_is_an_oscillation() -> None:
    wide = {"val/map50": [0.3, 0.31, 0.3, *[0.3, 0.05] * 4, 0.3]}
    found = [one for one in training_rules.findings(record_of(wide)) if "oscillates" in one.name]
    assert [one.name for one in found] == ["loss oscillates"]
    assert found[0].text.startswith("mAP50 changes by ")
    for harmless in ([0.3, 0.25] * 6, [0.1, 0.02] * 4 + [0.2, 0.3, 0.4, 0.5]):
        assert not any("oscillates" in one.name for one in training_rules.findings(record_of({"val/map50": harmless})))


def test_a_dominant_loss_and_a_falling_metric_are_found_without_an_oscillation() -> None:
    curves = {"train/cls_loss": [60.0] * 12, "val/map50": [0.6] * 6 + [0.2] * 6}
    found = [one for one in training_rules.findings(record_of(curves)) if "oscillates" in one.name]
    assert [one.name for one in found] == ["one loss oscillates"]
    assert "of the training loss, and mAP50 fell from 0.60 to 0.20" in found[0].text
    for change in ({"train/cls_loss": [1.0] * 12}, {"val/map50": [0.6] * 12}):
        found = training_rules.findings(record_of({**curves, **change}))
        assert not any("oscillates" in one.name for one in found)


def test_a_loss_that_oscillates_in_the_warm_up_only_is_no_finding() -> None:
    early = {"train/cls_loss": [4.0, 2.5, 4.0, 2.5, 4.0, 2.5, 4.0, *falling(2.4, 0.95, epochs=5)]}
    assert [finding.name for finding in training_rules.findings(record_of(early).until(8))] == ["loss oscillates"]
    settings = {**SETTINGS, "warmup_epochs": 6.5}
    after = [training_rules.findings(record_of(early, settings=settings).until(epoch)) for epoch in range(13)]
    assert not any(after)


def test_one_peak_of_the_validation_loss_is_no_overfitting() -> None:
    peak = {"val/cls_loss": [*falling(4.0, 0.95, epochs=10), 90.0, 2.4]}
    found = [one for epoch in range(13) for one in training_rules.findings(record_of(peak).until(epoch))]
    assert found == []


def test_boxes_that_are_close_already_may_fall_slowly() -> None:
    slow = {"train/box_loss": falling(3.0, 0.995)}
    found = [training_rules.findings(record_of(slow, settings={**SETTINGS, "box": gain})) for gain in (7.5, 5.5)]
    assert [[finding.name for finding in findings] for findings in found] == [[], ["box loss slow"]]


def test_overfitting_is_told_only_while_the_training_loss_falls() -> None:
    rising = {"val/cls_loss": [*falling(4.0, 0.8, epochs=6), *[1.6 + 0.3 * step for step in range(6)]]}
    found = training_rules.findings(record_of(rising))
    assert [finding.name for finding in found] == ["overfitting"]
    assert "above its lowest, " in found[0].text
    flat = {f"train/{name}": [2.0] * 12 for name in ("box_loss", "cls_loss", "dfl_loss")}
    assert "overfitting" not in {finding.name for finding in training_rules.findings(record_of({**rising, **flat}))}


def test_a_metric_that_goes_up_and_down_is_no_plateau() -> None:
    curves, _ = FAULTS["plateau"]
    noisy = {**curves, "val/map50_95": [0.3, 0.25] * 6}
    assert training_rules.findings(record_of(noisy)) == []


def test_a_training_that_finds_its_first_objects_after_half_is_no_finding() -> None:
    late = {"val/map50": [0.0] * 10 + [0.05, 0.1]}
    assert [one for epoch in range(13) for one in training_rules.findings(record_of(late).until(epoch))] == []


def test_a_component_that_is_a_small_part_of_the_loss_is_not_looked_at() -> None:
    tiny = [value / 1000 for value in UP_AND_DOWN]
    assert training_rules.findings(record_of({"train/dfl_loss": tiny})) == []


def test_closing_mosaic_is_no_overfitting() -> None:
    curves = {"val/cls_loss": [3.0] * 9 + [3.6] * 3, "train/cls_loss": [3.0] * 9 + [1.5] * 3}
    found = training_rules.findings(record_of(curves, epochs=12))
    assert "overfitting" not in {finding.name for finding in found}


VALUES = st.lists(st.floats(0, 100), min_size=0, max_size=20)


@given(st.fixed_dictionaries(dict.fromkeys(HEALTHY, VALUES)), st.integers(1, 30))
def test_no_curve_raises(curves: Mapping[str, Sequence[float]], epochs: int) -> None:
    record = record_of(curves, epochs=epochs)
    for epoch in (0, 1, record.epoch // 2, record.epoch):
        training_rules.findings(record.until(epoch))


def test_a_training_without_details_or_losses_has_no_finding() -> None:
    assert training_rules.findings(record_of(curves={}, settings={}).until(0)) == []
