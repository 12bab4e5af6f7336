"""The grade is the worst that a finding allows, and each reason is a sentence with numbers and a remedy."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.data.report import grade
from automl.data.report.grade import Facts
from automl.data.report.records import (
    Appearance,
    BrokenFiles,
    ClassCount,
    CopyPairs,
    DataReport,
    Gap,
    Reason,
    SplitFacts,
    Spread,
)

SPREAD = Spread(1, 50, 100, 150, 200)
SEEN = Appearance(SPREAD, SPREAD, SPREAD, SPREAD, {}, 0, (), (), ())
CLASSES = {"hole": ClassCount(500, 400), "spot": ClassCount(500, 400)}
SIZES = {"tiny": 0, "small": 1000, "medium": 0, "large": 0}
SPLIT = SplitFacts(1000, 1000, 0, 1000, CLASSES, SIZES, SIZES, (), SEEN)
FACTS = Facts(
    {"train": SPLIT, "val": SPLIT},
    dict.fromkeys(("train", "val"), BrokenFiles(0, 0, 0, (), ())),
    (),
    {"train": 0, "val": 0},
    (),
    640,
)
PATHS = tuple(Path(str(number)) for number in range(60))


def copies(split: str, other: str, count: int) -> dict[str, Any]:
    return {"copies": (CopyPairs(split, other, exact=True, count=count, of=1000, pairs=()),)}


def train(**changes: Any) -> dict[str, Any]:
    return {"splits": {"train": replace(SPLIT, **changes), "val": SPLIT}}


def test_sound_data_have_grade_a_and_no_reason() -> None:
    assert grade.reasons(FACTS) == ()


@pytest.mark.parametrize(
    ("changes", "expected", "text"),
    [
        (copies("val", "train", 1), "B", "1 of 1000 images of val (0.1%) are copies or near copies of images of train"),
        (copies("val", "train", 20), "C", "keep each image in one split"),
        (copies("val", "train", 51), "D", "metrics on val are too high"),
        (copies("train", "train", 60), "B", "60 of 1000 images of train (6.0%) are copies or near copies of others"),
        ({"gaps": (Gap("train", "spot", 0),)}, "D", "train has no box of 1 classes (spot), which cannot be learned"),
        ({"gaps": (Gap("val", "spot", 0),)}, "C", "val has no box of 1 classes (spot), which cannot be evaluated"),
        ({"gaps": (Gap("train", "spot", 3),)}, "C", "train has fewer than 20 boxes of 1 classes (spot (3))"),
        ({"gaps": (Gap("val", "spot", 3),)}, "B", "too few for a reliable score; add some"),
        (train(listed=1150), "D", "150 of 1150 images of train (13.0%) are not used"),
        ({"suspicious": {"train": 60, "val": 0}}, "C", "60 of 1000 boxes of train (6.0%) have suspicious labels"),
        (train(sizes_trained={"tiny": 600}), "C", "smaller than 8 px at image size 640"),
        (
            train(classes={"hole": ClassCount(900, 1), "spot": ClassCount(30, 1)}), "B",
            "train has 30 times as many boxes of hole (900) as of spot (30); add images with spot",
        ),
        (train(images=299, listed=299), "B", "train has 299 images, fewer than 300; add images"),
        (train(images=40, listed=40), "C", "train has 40 images, fewer than 50; add images"),
        (train(backgrounds=400), "B", "400 of 1000 images of train (40.0%) have no box"),
        (train(appearance=replace(SEEN, dark=PATHS)), "B", "are very dark or very bright; check the exposure"),
        (train(appearance=replace(SEEN, blurred=PATHS)), "B", "are much less sharp than the others; check the focus"),
        (
            train(appearance=replace(SEEN, brightness=Spread(0, 0, 141, 0, 0))), "B",
            "the median brightness is 141 in train and 100 in val",
        ),
    ],
)  # fmt: skip
def test_a_finding_lowers_the_grade(changes: Mapping[str, Any], expected: str, text: str) -> None:
    (reason,) = grade.reasons(replace(FACTS, **changes))
    assert reason.grade == expected
    assert text in reason.text


def test_the_worst_reason_comes_first_and_many_classes_are_cut_short() -> None:
    gaps = tuple(Gap("train", f"c{number}", 0) for number in range(9))
    first, second = grade.reasons(replace(FACTS, gaps=gaps, **copies("val", "train", 1)))
    assert (first.grade, second.grade) == ("D", "B")
    assert "9 classes (c0, c1, c2, c3, c4 and 4 more)" in first.text


def test_the_terminal_shows_the_grade_and_five_reasons() -> None:
    reasons = tuple(Reason("C", "x", f"reason {number}") for number in range(7))
    report = DataReport(Path("d"), "", 640, "C", reasons, {}, (), {}, (), {}, (), ())
    assert list(report.lines()) == [
        "data grade: C (7 reasons)",
        *(f"  C: reason {number}" for number in range(5)),
        "  and 2 more: --report FILE.html lists them with pictures",
    ]
    assert list(replace(report, grade="A", reasons=()).lines()) == ["data grade: A"]
