"""Boxes of an image as an editor has them, and the label text that they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from automl.data.labels import BOX, LabelFile, box_text, is_polygon, lines_of
from automl.study.errors import DataError

SMALLEST: Final = 1e-6
"""Shortest side of a box that can be saved, as a share of the image."""
SAME: Final = 1e-9
"""Difference of two edges below which a box was not touched."""
MOST: Final = 10_000
"""Maximum number of boxes of an image."""

Edges = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class LabelBox:
    """A box: class number, and left, top, right, bottom as shares of the image."""

    cls: int
    left: float
    top: float
    right: float
    bottom: float
    line: int = 0
    """Line of the label file from which the box comes, 1 for the first; 0 for a new box."""

    @property
    def edges(self) -> Edges:
        """Return left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom

    @classmethod
    def of(cls, values: object, classes: int) -> Self:
        """Read a box that a browser sent.

        Raises:
            DataError: it is no box inside the image, or of no class.
        """
        try:
            if not isinstance(values, Mapping):
                raise TypeError
            number, line = values["cls"], values.get("line", 0)
            left, top, right, bottom = (_edge(values[edge]) for edge in ("left", "top", "right", "bottom"))
            if type(number) is not int or type(line) is not int:
                raise TypeError
        except (KeyError, TypeError, ValueError):
            raise DataError("a box must have cls, left, top, right and bottom as numbers, but has others") from None
        if not 0 <= number < classes:
            raise DataError(f"a box must be of class 0 to {classes - 1}, but is of class {number}")
        if not (left >= 0 and top >= 0 and right <= 1 and bottom <= 1):
            raise DataError(f"a box must lie inside the image (0 to 1), but is {left}, {top}, {right}, {bottom}")
        if right - left < SMALLEST or bottom - top < SMALLEST:
            raise DataError("a box must have an area, but has none")
        return cls(number, left, top, right, bottom, max(0, line))

    def to_dict(self) -> dict[str, Any]:
        """Return the box as JSON."""
        return {"cls": self.cls, "left": self.left, "top": self.top, "right": self.right, "bottom": self.bottom,
                "line": self.line}  # fmt: skip


def _edge(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def boxes_in(file: LabelFile, classes: int, *, keypoints: int = 0) -> tuple[tuple[LabelBox, ...], tuple[str, ...]]:
    """Return the boxes of a label file, and the mistakes of its invalid lines, which have no box.

    Of a polygon the bounding box is returned.
    """
    found, mistakes = list[LabelBox](), list[str]()
    for line in lines_of(file, classes, keypoints=keypoints):
        if line.mistake:
            mistakes.append(f"line {line.number}: {line.mistake}")
        elif not line.repeated:
            cls, x, y, width, height = line.box
            edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            found.append(LabelBox(int(cls), *edges, line.number))
    return tuple(found), tuple(mistakes)


def text_of(boxes: Sequence[LabelBox], before: LabelFile, classes: int, *, keypoints: int = 0) -> str:
    """Return the label text of boxes.

    A box that was not touched keeps its line. A polygon, or keypoints, whose box was moved or resized are moved and
    scaled with it. Beside polygons a new box is written as a polygon of four corners, since the two must not be mixed.
    """
    known = {box.line: box for box in boxes_in(before, classes, keypoints=keypoints)[0]}
    lines = dict(enumerate(before.content.decode("utf-8-sig", errors="replace").splitlines(), start=1))
    polygons = any(is_polygon(lines[number].split()) and not _has_keypoints(lines[number], keypoints)
                   for number in known)  # fmt: skip
    return "".join(_line(box, known.get(box.line), lines.get(box.line, ""), (polygons, keypoints)) for box in boxes)


def _line(box: LabelBox, before: LabelBox | None, line: str, form: tuple[bool, int]) -> str:
    polygons, keypoints = form
    if before is None:
        return _corners(box) if polygons else box_text(box.cls, box.edges)
    same = all(abs(one - other) < SAME for one, other in zip(box.edges, before.edges, strict=True))
    words = line.split()
    if same:
        return " ".join([str(box.cls), *words[1:]]) + "\n"
    if _has_keypoints(line, keypoints):
        rest = [float(word) for word in words[BOX:]]
        step = 3 if keypoints % 3 == 0 and all(value in {0, 1, 2} for value in rest[2::3]) else 2
        moved = _moved(rest, step, before.edges, box.edges)
        return box_text(box.cls, box.edges).rstrip("\n") + "".join(f" {value:.6f}" for value in moved) + "\n"
    if is_polygon(words):
        moved = _moved([float(word) for word in words[1:]], 2, before.edges, box.edges)
        return f"{box.cls}" + "".join(f" {value:.6f}" for value in moved) + "\n"
    return box_text(box.cls, box.edges)


def _has_keypoints(line: str, keypoints: int) -> bool:
    return keypoints > 0 and len(line.split()) == BOX + keypoints


def _corners(box: LabelBox) -> str:
    points = (box.left, box.top, box.right, box.top, box.right, box.bottom, box.left, box.bottom)
    return f"{box.cls}" + "".join(f" {value:.6f}" for value in points) + "\n"


def _moved(values: Sequence[float], step: int, before: Edges, after: Edges) -> list[float]:
    """Return points, `step` numbers each, moved and scaled as their box was."""
    found = list(values)
    for axis in (0, 1):
        length = max(before[axis + 2] - before[axis], SMALLEST)
        scale = (after[axis + 2] - after[axis]) / length
        for place in range(axis, len(found), step):
            found[place] = min(max(after[axis] + (found[place] - before[axis]) * scale, 0.0), 1.0)
    return found
