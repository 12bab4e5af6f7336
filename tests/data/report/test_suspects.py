"""Each kind of suspicious label is found, and sound labels are not."""

from pathlib import Path

import pytest

from automl.data.report.records import Suspect
from automl.data.report.suspects import KINDS
from tests.data.report.builders import GOOD, image, report

INSIDE = "".join(f"0 0.{place} 0.5 0.2 0.2\n" for place in range(30, 70, 8))
"""Five boxes of a class inside the image."""


def suspects(root: Path, labels: str) -> list[tuple[str, Suspect]]:
    image(root, "train/a.png", labels)
    found = report(root)
    assert found.suspicious["train"] <= found.splits["train"].boxes
    return [(kind.kind, suspect) for kind in found.suspects for suspect in kind.worst]


@pytest.mark.parametrize(
    ("labels", "kind", "text"),
    [
        (f"{GOOD}1 0.5 0.5 0.19 0.2\n", "overlapping another class", "IoU 0.95 with a box of class hole"),
        (f"{GOOD}0 0.5 0.5 0.19 0.2\n", "duplicated", "IoU 0.95 with another box of its class"),
        ("0 0.95 0.5 0.16 0.1\n", "outside the image", "reaches 3 px beyond the image"),
        ("0 0.5 0.5 0.96 0.96\n", "huge", "covers 92% of the image"),
        ("0 0.5 0.5 0.02 0.1\n", "tiny", "2.0 x 10.0 px"),
        (f"{INSIDE}0 0.018 0.9 0.036 0.2\n", "cut at the border", "touches the border, with 18% of"),
    ],
)
def test_a_suspicious_label_is_found(tmp_path: Path, labels: str, kind: str, text: str) -> None:
    ((got, suspect),) = suspects(tmp_path, labels)
    assert got == kind
    assert suspect.text.startswith(text)
    assert (suspect.split, suspect.image.name) == ("train", "a.png")
    assert (suspect.partner is not None) == ("IoU" in text)


@pytest.mark.parametrize(
    "labels",
    [
        GOOD,
        "0 0.5 0.5 0.2 0.2\n1 0.5 0.53 0.2 0.2\n1 0.5 0.3 0.2 0.2\n",  # an overlap of 0.8 at most
        "0 0.05 0.5 0.1 0.1\n",  # at the border, and nothing to compare it with
        f"{INSIDE}0 0.05 0.5 0.1 0.2\n",  # half of its usual width
        f"{INSIDE}0 0.5 0.9 1 0.2\n",  # across the image
        "0 0.5 0.5 0.94 0.94\n",
    ],
)
def test_a_sound_label_is_not(tmp_path: Path, labels: str) -> None:
    assert suspects(tmp_path, labels) == []


def test_boxes_of_two_images_never_overlap(tmp_path: Path) -> None:
    image(tmp_path, "train/b.png", GOOD)
    assert suspects(tmp_path, "1 0.5 0.5 0.2 0.2\n") == []


def test_all_are_counted_and_the_worst_are_listed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("suspects", "collect"):
        monkeypatch.setattr(f"automl.data.report.{module}.MOST_LISTED", 2)
    image(tmp_path, "train/a.png", "".join(f"0 0.{place} 0.5 0.0{place - 10}9 0.1\n" for place in (10, 11, 12)))
    (kind,) = report(tmp_path).suspects
    assert (kind.kind, kind.count) == ("tiny", 3)
    assert [suspect.text for suspect in kind.worst] == [
        "0.9 x 10.0 px",
        "1.9 x 10.0 px",
    ]
    assert kind.kind in KINDS


def test_boxes_that_repeat_one_place_without_end_are_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl.data.report.suspects.MOST_NEIGHBOURS", 3)
    image(tmp_path, "train/a.png", "".join(f"0 0.5 0.{place} 0.2 0.2\n" for place in range(40, 60)))
    assert report(tmp_path).notes == (
        "train: some label files repeat one place so often that not all overlaps were examined",
    )
