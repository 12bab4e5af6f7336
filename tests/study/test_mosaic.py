"""Fixed `close_mosaic` that leaves little of a training with mosaic: what is warned about, and what to type instead."""

from typing import Any

import pytest

from automl.study import mosaic
from tests.builders import spec_of

DEFAULTS = {"mosaic": 1.0, "mixup": 0.0, "cutmix": 0.0, "close_mosaic": 10}
SHARE = {"low": 0.0, "high": 1.0, "default": 1.0}


def said(epochs: int, **changes: Any) -> str:
    spec = spec_of(ladder={"min_epochs": 1, "max_epochs": epochs}, **changes)
    return " | ".join(mosaic.warnings(spec.search_space, epochs=epochs, fixed=DEFAULTS | spec.train))


def test_the_default_of_a_short_training_is_told_with_what_to_type() -> None:
    assert said(6) == (
        "train.close_mosaic: should be at most half of max_epochs, but got close_mosaic=10, max_epochs=6: mosaic would "
        "be off from the first epoch; --set train.close_mosaic=3, or --set ladder.max_epochs=20; not wanted: "
        "--set train.mosaic=0"
    )


def test_mosaic_that_closes_too_early_is_told_with_the_epochs_that_have_it() -> None:
    assert "mosaic would be on in the first 2 epochs only; --set train.close_mosaic=3, or" in said(12)
    both = said(12, train={"mixup": 0.1})
    assert "mosaic and mixup would be on" in both
    assert both.endswith("--set train.mosaic=0 --set train.mixup=0")


@pytest.mark.parametrize(
    ("epochs", "changes"),
    [
        (20, {}),
        (100, {}),
        (6, {"train": {"close_mosaic": 3}}),
        (6, {"train": {"close_mosaic": 0}}),
        (6, {"train": {"mosaic": 0.0}}),
        (6, {"space": {"close_mosaic": {"choices": [3, 10], "default": 10}}}),
    ],
    ids=["half", "long", "closed at half", "never closed", "no mosaic", "searched"],
)
def test_what_is_in_order_is_not_warned_about(epochs: int, changes: dict[str, Any]) -> None:
    assert said(epochs, **changes) == ""


def test_a_searched_mosaic_counts_by_its_largest_value() -> None:
    told = said(12, space={"mosaic": SHARE})
    assert "mosaic would be on in the first 2 epochs only" in told
    assert told.endswith("--set ladder.max_epochs=20")
    assert said(12, space={"mosaic": {"choices": [0.0], "default": 0.0}}) == ""


@pytest.mark.parametrize("epochs", range(1, 20))
def test_what_is_to_be_typed_ends_the_warning(epochs: int) -> None:
    remedy = said(epochs).partition("train.close_mosaic=")[2].partition(",")[0]
    assert said(epochs, train={"close_mosaic": int(remedy)}) == ""
