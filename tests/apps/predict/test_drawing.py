"""Boxes on a picture: each drawn in the colour of its class, no label over another."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from automl.apps.predict.drawing import colour, drawn, free

GREY = np.full((100, 200, 3), 128, np.uint8)


def box(name: str, *edges: float) -> dict[str, Any]:
    return {"name": name, "confidence": 0.9, "box": list(edges)}


def test_a_box_is_drawn_in_the_colour_of_its_class_and_the_picture_stays() -> None:
    found = drawn(GREY, [box("hole", 20, 40, 60, 80)])
    assert found[60, 20].tolist() == list(colour("hole"))
    assert (found[60, 40] == 128).all()
    assert (GREY == 128).all()


def test_a_label_has_letters_of_any_language() -> None:
    for name in ("scratch", "划痕"):
        label = drawn(GREY, [box(name, 20, 40, 60, 80)])[20:40, 20:60]
        assert (label > 200).all(axis=2).sum() > 20, name


def test_a_picture_without_boxes_is_a_copy() -> None:
    assert (drawn(GREY, []) == GREY).all()


@given(st.lists(st.tuples(*[st.floats(0, 100)] * 4), max_size=12))
def test_no_label_covers_another(boxes: list[tuple[float, ...]]) -> None:
    taken: list[Any] = []
    for edges in boxes:
        place = free(edges, (30.0, 10.0), (100, 100), taken)
        if place is not None:
            assert not any(place.covers(other) for other in taken)
            assert 0 <= place.x <= 70
            assert 0 <= place.y <= 90
            taken.append(place)
