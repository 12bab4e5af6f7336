"""Label lines of untouched boxes stay as they are; polygons and keypoints move with their box."""

from dataclasses import replace
from typing import Any

import pytest

from automl.data.labelling.boxes import LabelBox, boxes_in, text_of
from automl.data.labels import LabelFile, lines_of
from automl.study.errors import DataError

NEW = LabelBox(1, 0.0, 0.0, 0.5, 0.5)
POLYGON = "0 0.2 0.2 0.4 0.2 0.4 0.6"
POINTS = "0 0.3 0.3 0.2 0.2 0.25 0.3 2 0.35 0.3 1"


def edited(text: str, *, keypoints: int = 0, **change: Any) -> str:
    file = LabelFile(text.encode())
    (box,) = boxes_in(file, 2, keypoints=keypoints)[0]
    return text_of([replace(box, **change), NEW], file, 2, keypoints=keypoints)


def test_an_untouched_box_keeps_its_line_and_a_new_class() -> None:
    assert edited("0 0.123456789 0.5 0.1 0.1") == "0 0.123456789 0.5 0.1 0.1\n1 0.250000 0.250000 0.500000 0.500000\n"
    assert edited("0 0.123456789 0.5 0.1 0.1", cls=1).startswith("1 0.123456789 0.5")


def test_a_polygon_moves_with_its_box_and_new_boxes_become_polygons() -> None:
    text = edited(POLYGON, left=0.3, right=0.5)
    assert text.splitlines()[0] == "0 0.300000 0.200000 0.500000 0.200000 0.500000 0.600000"
    assert not any(line.mistake for line in lines_of(LabelFile(text.encode()), 2))  # boxes beside polygons would be one


def test_keypoints_move_with_their_box() -> None:
    text = edited(POINTS, keypoints=6, left=0.4, right=0.6)
    assert text.splitlines()[0] == "0 0.500000 0.300000 0.200000 0.200000 " + " ".join(
        f"{value:.6f}" for value in (0.45, 0.3, 2, 0.55, 0.3, 1)
    )
    assert edited(POINTS, keypoints=6).startswith(POINTS)


@pytest.mark.parametrize(
    ("values", "law"),
    [
        ({"cls": 2}, "class 0 to 1, but is of class 2"),
        ({"cls": True}, "as numbers"),
        ({"left": -0.1}, "must lie inside the image"),
        ({"left": float("nan")}, "must lie inside the image"),
        ({"right": 0.1}, "must have an area"),
        ({"top": "0"}, "as numbers"),
    ],
)
def test_a_box_of_a_browser_is_checked(values: dict[str, object], law: str) -> None:
    with pytest.raises(DataError, match=law):
        LabelBox.of({"cls": 0, "left": 0.1, "top": 0.1, "right": 0.2, "bottom": 0.2} | values, 2)
