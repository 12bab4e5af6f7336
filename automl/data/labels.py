"""Label files: their path, their lines, and the errors of a line.

The rules are those of `verify_image_label` in Ultralytics 8.4.190, which decide what a detection training accepts.
"""

import codecs
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BOX: Final = 5
"""Number of values in a box line; a polygon has at least seven."""
CORNERS: Final = 9
"""Number of values in a line of four corners, as oriented boxes have."""
TOLERANCE: Final = 0.01
"""How far a box may lie outside the image, as a share of its side."""


@dataclass(frozen=True, slots=True)
class LabelLine:
    """A line of a label file."""

    number: int
    """1 for the first line of the file."""
    text: str
    """The values used for training: keypoints are cut off."""
    mistake: str
    """The error of the line, empty when it is valid."""
    box: tuple[float, ...] = ()
    """Class, centre x, centre y, width, height as shares of the image; empty where the line is invalid."""
    repeated: bool = False
    """True if an earlier line is equal."""


def label_of(image: Path) -> Path:
    """Return the path of an image's labels: the last folder `images` of its path becomes `labels`.

    >>> label_of(Path("/d/images/train/a.jpg")).as_posix()
    '/d/labels/train/a.txt'
    """
    parts = list(image.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt")


def label_lines(image: Path, classes: int, *, keypoints: int = 0) -> Iterator[LabelLine]:
    """Yield each non-blank line of an image's label file; an unreadable file counts as one invalid line.

    `keypoints` is the number of keypoint values after the box.
    """
    path = label_of(image)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            yield LabelLine(1, "", "is a symlink to a missing file")
        return
    except (OSError, ValueError) as error:
        yield LabelLine(1, "", f"must be a readable file, but {getattr(error, 'strerror', None) or error}")
        return
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield LabelLine(1, "", "must be UTF-8 text, but is UTF-16")
        return
    yield from _parsed(content.decode("utf-8-sig", errors="replace"), classes, keypoints=keypoints)


def _parsed(text: str, classes: int, *, keypoints: int) -> Iterator[LabelLine]:
    rows = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    rows = [(number, words[:BOX] if len(words) == BOX + keypoints else words) for number, words in rows]
    polygons = any(is_polygon(words) for _, words in rows)
    seen: set[tuple[float, ...]] = set()
    for number, words in rows:
        line = " ".join(words)
        mistake = _shape_mistake(words, polygons=polygons)
        values = () if mistake else tuple(float(word) for word in words)
        box = box_of(values) if values else ()
        mistake = mistake or _value_mistake(words, box, classes)
        yield LabelLine(number, line, mistake, () if mistake else box, values in seen)
        if not mistake:
            seen.add(values)


def is_polygon(words: Sequence[object]) -> bool:
    """Return True if a line is a class and at least three corners."""
    return len(words) > BOX + 1 and len(words) % 2 == 1


def box_of(values: Sequence[float]) -> tuple[float, ...]:
    """Return class and box of a line; for a polygon, its bounding box.

    >>> box_of((0, 0.25, 0.25, 0.75, 0.25, 0.5, 0.5))
    (0, 0.5, 0.375, 0.5, 0.25)
    """
    if len(values) == BOX:
        return tuple(values)
    across, down = values[1::2], values[2::2]
    left, right, top, bottom = min(across), max(across), min(down), max(down)
    return (values[0], (left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def _shape_mistake(words: Sequence[str], *, polygons: bool) -> str:
    if not all(math.isfinite(_number(word)) for word in words):
        return f"must be finite numbers, but got {' '.join(words)[:100]!r}"
    if len(words) != BOX and not is_polygon(words):
        return f"must be `class x y width height` or a polygon, but has {len(words)} numbers"
    if polygons and len(words) == BOX:  # Ultralytics excludes the whole image
        return "boxes and polygons must not be mixed in one file, but a box is among polygons"
    return ""


def _value_mistake(words: Sequence[str], box: Sequence[float], classes: int) -> str:
    if not box:
        return ""
    if not (box[0].is_integer() and 0 <= box[0] < classes):
        return f"class must be 0 to {classes - 1}, but got {words[0]}"
    if max(box[1:]) > 1 + TOLERANCE or min(box[1:3]) < -TOLERANCE:
        return f"box must lie inside the image (0 to 1), but got {' '.join(words[1:])}"
    if min(box[3:]) < 0:
        return f"width and height must not be negative, but got {' '.join(words[3:])}"
    return ""


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan
