"""The ladder starts after the warm-up: what is warned about, and what to type instead."""

from typing import Any

import pytest

from automl.study import warm_up
from automl.trainers import yolo
from tests.builders import spec_of

DEFAULTS = {"warmup_epochs": 3.0}
RANGE = {"low": 0.0, "high": 5.0, "default": 3.0}
SGD_ONLY = RANGE | {"when": {"optimizer": ["SGD"]}}
OPTIMIZER = {"choices": ["SGD", "AdamW"], "default": "SGD"}


def said(*, first: int = 6, last: int = 100, model: str = "tiny.yaml", **changes: Any) -> str:
    spec = spec_of(ladder={"min_epochs": first, "max_epochs": last}, **changes)
    return " | ".join(warm_up.warnings(spec.ladder, spec.search_space, fixed=DEFAULTS | spec.train, model=model))


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({}, 3.0),
        ({"train": {"warmup_epochs": 0.5}}, 0.5),
        ({"space": {"warmup_epochs": RANGE}}, 5.0),
        ({"space": {"warmup_epochs": {"choices": [0, 2], "default": 2}}}, 2.0),
        (
            {"space": {"optimizer": OPTIMIZER, "warmup_epochs": RANGE | {"high": 2.0, "when": {"optimizer": ["SGD"]}}}},
            3.0,
        ),
        ({"ladder": {"min_epochs": 1, "max_epochs": 3}}, 2.0),
    ],
    ids=["default", "fixed", "range", "choices", "conditional", "no longer than all epochs but the last"],
)
def test_the_longest_warm_up_is_the_one_that_a_trial_may_get(changes: dict[str, Any], epochs: float) -> None:
    spec = spec_of(**{"ladder": {"min_epochs": 6, "max_epochs": 100}, **changes})
    fixed = (DEFAULTS | spec.train)["warmup_epochs"]
    parameter = spec.search_space.parameters.get("warmup_epochs")
    assert warm_up.longest(parameter, fixed, max_epochs=spec.ladder.max_epochs) == epochs


def test_a_ladder_that_starts_after_twice_the_warm_up_is_not_warned_about() -> None:
    assert said(first=6) == ""
    assert said(first=1, train={"warmup_epochs": 0.5}) == ""
    assert said(first=10, space={"warmup_epochs": RANGE}) == ""


def test_a_model_that_starts_from_weights_may_be_compared_at_the_end_of_its_warm_up() -> None:
    assert said(first=3, model="yolo11n.pt") == ""
    assert said(first=2, model="yolo11n.pt").startswith(
        "ladder.min_epochs: should be at least 1 x the longest warm-up of a trial, 1 x 3 epochs, but got 2: "
    )


def test_one_that_compares_nobody_is_not_warned_about() -> None:
    assert said(first=4, last=4) == ""


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({}, "--set ladder.min_epochs=6, or a shorter warm-up: --set train.warmup_epochs=2"),
        (
            {"space": {"warmup_epochs": RANGE}},
            "--set ladder.min_epochs=10, or a shorter warm-up: --set space.warmup_epochs.high=2 "
            "--set space.warmup_epochs.default=2",
        ),
        (
            {"space": {"warmup_epochs": {"choices": [1, 4], "default": 4}}},
            "--set ladder.min_epochs=8, or a shorter warm-up: space.warmup_epochs with choices of at most 2",
        ),
        (
            {"space": {"optimizer": OPTIMIZER, "warmup_epochs": SGD_ONLY}},
            "or a shorter warm-up: space.warmup_epochs and train.warmup_epochs of at most 2",
        ),
    ],
)  # fmt: skip
def test_a_warning_tells_the_numbers_and_the_remedy(changes: dict[str, Any], remedy: str) -> None:
    told = said(first=4, **changes)
    assert told.startswith("ladder.min_epochs: should be at least 2 x the longest warm-up of a trial, 2 x ")
    assert "but got 4: good params may be pruned before they learn; " in told
    assert told.endswith(remedy)


def test_a_study_too_short_for_its_warm_up_is_told_so_with_the_numbers() -> None:
    assert said(first=4, last=10) == (
        "ladder.min_epochs: should be at least 2 x the longest warm-up of a trial, 2 x 3 epochs, but got 4: good "
        "params may be pruned before they learn; no min_epochs is large enough, since a rung is at epoch 5 at the "
        "latest, half of ladder.max_epochs=10: --set ladder.max_epochs=12, or a shorter warm-up: "
        "--set train.warmup_epochs=2"
    )


@pytest.mark.yolo
def test_ultralytics_still_warms_up_three_epochs_without_a_least_count() -> None:
    from ultralytics.engine.trainer import BaseTrainer  # noqa: PLC0415

    assert float(yolo.settings()["warmup_epochs"]) == DEFAULTS["warmup_epochs"]
    trainer = type("Trainer", (), {"args": type("Args", (), {"warmup_epochs": 3.0}), "epochs": 12})()
    assert BaseTrainer._get_warmup_iterations(trainer, 5) == 15
