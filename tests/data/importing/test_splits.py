"""Splits are drawn by groups, stratified by class, and depend on contents and seed alone."""

from collections import Counter
from pathlib import Path

import pytest

from automl.data.importing.splits import Plan, draw
from automl.study.errors import DataError

IMAGES = [Path(f"{number}.png") for number in range(100)]
KEYS = {image: f"content {image}".encode() for image in IMAGES}
CLASSES = {image: ["rare"] if number < 10 else ["common"] for number, image in enumerate(IMAGES)}


def test_a_rare_class_is_in_every_split() -> None:
    found = draw([[image] for image in IMAGES], CLASSES, KEYS, Plan())
    assert Counter(found.values()) == {"train": 70, "val": 15, "test": 15}
    rare = Counter(found[image] for image in IMAGES[:10])
    assert rare["train"] in {6, 7}
    assert rare["val"]
    assert rare["test"]


def test_a_group_stays_together_and_the_order_of_images_does_not_matter() -> None:
    members = [IMAGES[start : start + 5] for start in range(0, 100, 5)]
    found = draw(members, CLASSES, KEYS, Plan())
    assert all(len({found[image] for image in group}) == 1 for group in members)
    assert draw(members[::-1], CLASSES, KEYS, Plan()) == found
    assert draw(members, CLASSES, KEYS, Plan(seed=1)) != found


def test_a_share_of_0_stays_empty() -> None:
    assert set(draw([[image] for image in IMAGES], CLASSES, KEYS, Plan((80, 20, 0))).values()) == {"train", "val"}


@pytest.mark.parametrize("shares", [(70, 15, 10), (0, 50, 50), (100, 0, 0), (80, 30, -10)])
def test_shares_must_add_up(shares: tuple[int, int, int]) -> None:
    with pytest.raises(DataError, match="--split: must be percent of train, val and test that add up to 100"):
        Plan(shares)
