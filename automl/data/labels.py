"""Label files: where they stand, what is in them, and what is wrong with a line."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BOX: Final = 5
"""Numbers in a line that is a box; a polygon has at least seven."""


@dataclass(frozen=True, slots=True)
class LabelLine:
    """A line of a label file."""

    number: int
    """1 for the first line of the file."""
    text: str
    mistake: str
    """What is wrong with it, empty when nothing is."""


def label_of(image: Path) -> Path:
    """Return where the labels of an image stand: the last folder `images` of its path becomes `labels`.

    >>> label_of(Path("/d/images/train/a.jpg")).as_posix()
    '/d/labels/train/a.txt'
    """
    parts = list(image.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt")


def label_lines(image: Path, classes: int) -> Iterator[LabelLine]:
    """Yield each line of an image's label file that is not blank; a file that cannot be read is one bad line."""
    path = label_of(image)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        if path.is_symlink():
            yield LabelLine(1, "", "links to a file that is not there")
        return
    except (OSError, ValueError) as error:
        yield LabelLine(1, "", f"must be a readable file, but {getattr(error, 'strerror', None) or error}")
        return
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    polygons = any(_polygon(line.split()) for _, line in lines)
    for number, line in lines:
        words = line.split()
        yield LabelLine(number, line, _shape_mistake(words, polygons=polygons) or _value_mistake(words, classes))


def _polygon(words: Sequence[str]) -> bool:
    return len(words) > BOX + 1 and len(words) % 2 == 1


def _shape_mistake(words: Sequence[str], *, polygons: bool) -> str:
    if not all(math.isfinite(_number(word)) for word in words):
        return f"must be finite numbers, but got {' '.join(words)!r}"
    if len(words) != BOX and not _polygon(words):
        return f"must be `class x y width height` or a polygon, but has {len(words)} numbers"
    if polygons and len(words) == BOX:  # Ultralytics would leave the whole image out
        return "boxes and polygons must not stand in one file, but a box stands among polygons"
    return ""


def _value_mistake(words: Sequence[str], classes: int) -> str:
    numbers = [_number(word) for word in words]
    if not (numbers[0].is_integer() and 0 <= numbers[0] < classes):
        return f"class must be 0 to {classes - 1}, but got {words[0]}"
    if not all(-1e-3 <= number <= 1.001 for number in numbers[1:]):
        return f"box must lie inside the image (0 to 1), but got {' '.join(words[1:])}"
    if len(numbers) == BOX and min(numbers[3:]) <= 0:
        return f"width and height must be above 0, but got {' '.join(words[3:])}"
    return ""


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan
