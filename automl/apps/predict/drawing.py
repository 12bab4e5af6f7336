"""Boxes drawn on a picture, with class and confidence; colours and places of labels are those of the web page."""

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
WHITE: Final = (255, 255, 255)
FONT: Final = "uni"
"""OpenCV's own font with Latin, Greek, Cyrillic and Chinese letters."""
LETTERS: Final = 45
"""Height of a letter is the longest edge of the picture divided by this, and at least 12 pixels."""
LINES: Final = 500
"""The same for the width of a line, at least 1 pixel."""


class Place(NamedTuple):
    """A rectangle for a label."""

    x: float
    y: float
    width: float
    height: float

    def covers(self, other: "Place") -> bool:
        """Return True if two rectangles have a point in common."""
        across = self.x < other.x + other.width and other.x < self.x + self.width
        return across and self.y < other.y + other.height and other.y < self.y + self.height


def drawn(picture: NDArray[Any], boxes: Sequence[Mapping[str, Any]]) -> Pixels:
    """Return a copy of a BGR picture with its boxes; a label without room beside others is left out."""
    canvas: Pixels = np.ascontiguousarray(picture, dtype=np.uint8).copy()
    longest = max(canvas.shape[:2])
    letter, line = max(round(longest / LETTERS), 12), max(round(longest / LINES), 1)
    for found in boxes:
        x0, y0, x1, y1 = (round(edge) for edge in found["box"])
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour(found["name"]), line)
    taken: list[Place] = []
    font = cv2.FontFace(FONT)
    for found in boxes:  # after all boxes, so that no box crosses a label
        text = f"{found['name']} {found['confidence']:.2f}"
        size = cv2.getTextSize((canvas.shape[1], canvas.shape[0]), text, (0, 0), font, letter)
        place = free(found["box"], (size[2] + 0.5 * letter, 1.3 * letter), canvas.shape, taken)
        if place is not None:
            taken.append(place)
            _label(canvas, text, place, colour(found["name"]), font)
    return canvas


def _label(canvas: Pixels, text: str, place: Place, ground: tuple[int, int, int], font: cv2.FontFace) -> None:
    letter = round(place.height / 1.3)
    x, y = round(place.x), round(place.y)
    cv2.rectangle(canvas, (x, y), (round(place.x + place.width), round(place.y + place.height)), ground, -1)
    cv2.putText(canvas, text, (x + letter // 4, y + letter), WHITE, font, letter)


def free(
    box: Sequence[float], size: tuple[float, float], shape: tuple[int, ...], taken: Sequence[Place]
) -> Place | None:
    """Return the first place at a box where a label covers no other; None if there is none.

    Args:
        box: x0, y0, x1, y1.
        size: Width and height of the label.
        shape: Height and width of the picture, in which the label stays.
        taken: The places of other labels.

    >>> free((10, 50, 30, 70), (20, 10), (100, 100), [])
    Place(x=10, y=40, width=20, height=10)
    """
    (x0, y0, x1, y1), (wide, tall) = box, size
    corners = (
        (x0, y0 - tall), (x0, y1), (x1 - wide, y0 - tall), (x1 - wide, y1), (x0, y0), (x0, y1 - tall), (x1, y0),
        (x0 - wide, y0),
    )  # fmt: skip
    for x, y in corners:
        place = Place(max(0, min(x, shape[1] - wide)), max(0, min(y, shape[0] - tall)), wide, tall)
        if not any(place.covers(other) for other in taken):
            return place
    return None


def colour(name: str) -> tuple[int, int, int]:
    """Return the colour of a class as blue, green, red.

    >>> colour("hole")
    (16, 198, 186)
    """
    turn = 0
    for letter in name:
        turn = (turn * 31 + ord(letter)) % 360
    red, green, blue = colorsys.hls_to_rgb(turn / 360, 0.42, 0.85)
    return round(255 * blue), round(255 * green), round(255 * red)
