"""Label files: their path, their lines, and the errors of a line.

The rules are those of `verify_image_label` in Ultralytics 8.4.190, which decide what a detection training accepts. Only
regular files are read as labels, and of their content at most a line of QUOTED characters is repeated in a message.
"""

import codecs
import hashlib
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.data import regular_files

BOX: Final = 5
"""Number of values in a box line; a polygon has at least seven."""
POINT: Final = 3
"""Number of values in a line of one corner."""
CORNERS: Final = 9
"""Number of values in a line of four corners, as oriented boxes have."""
TOLERANCE: Final = 0.01
"""How far a box may lie outside the image, as a share of its side."""
MOST_BYTES: Final = 8 * regular_files.MB
"""Maximum size of a label file: more than 100,000 boxes."""
QUOTED: Final = 80
"""Maximum number of characters of a label line in a message."""


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


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The content of an image's label file."""

    content: bytes = b""
    mistake: str = ""
    """Why the file cannot be read as labels, empty when it can or does not exist."""
    exists: bool = True

    @property
    def digest(self) -> str:
        """Return the digest of the content, empty where there is no file; the mistake where it cannot be read."""
        if self.mistake or not self.exists:
            return self.mistake
        return hashlib.blake2b(self.content, digest_size=16).hexdigest()


def read_labels(image: Path, *, inside: Sequence[Path] = ()) -> LabelFile:
    """Read the label file of an image; a link must lead to a place below one of the folders `inside`, if any are given.

    What lies outside the data set may be anything, and a wrong line of it would be quoted in logs.
    """
    path = label_of(image)
    try:
        if inside and path.is_symlink() and not _leads_into(path, inside):
            return LabelFile(mistake="is a symlink to a file outside the data set; replace it by a copy")
        return LabelFile(regular_files.read(path, most=MOST_BYTES))
    except FileNotFoundError:
        gone = path.is_symlink()
        return LabelFile(mistake="is a symlink to a missing file" if gone else "", exists=gone)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
        return LabelFile(mistake=f"must be a readable file, but {getattr(error, 'strerror', None) or error}")


def _leads_into(link: Path, folders: Sequence[Path]) -> bool:
    place = link.resolve(strict=True)
    return any(place.is_relative_to(folder) for folder in folders)


def label_lines(image: Path, classes: int, *, keypoints: int = 0) -> Iterator[LabelLine]:
    """Yield each non-blank line of an image's label file; an unreadable file counts as one invalid line.

    `keypoints` is the number of keypoint values after the box.
    """
    yield from lines_of(read_labels(image), classes, keypoints=keypoints)


def lines_of(file: LabelFile, classes: int, *, keypoints: int = 0) -> Iterator[LabelLine]:
    """Yield each non-blank line of a label file that was read; an unreadable file counts as one invalid line."""
    if file.mistake:
        yield LabelLine(1, "", file.mistake)
        return
    if file.content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield LabelLine(1, "", "must be UTF-8 text, but is UTF-16")
        return
    yield from _parsed(file.content.decode("utf-8-sig", errors="replace"), classes, keypoints=keypoints)


def _parsed(text: str, classes: int, *, keypoints: int) -> Iterator[LabelLine]:
    rows = [(number, line.split()) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    rows = [(number, words[:BOX] if len(words) == BOX + keypoints else words) for number, words in rows]
    polygons = any(is_polygon(words) for _, words in rows)
    seen: set[tuple[float, ...]] = set()
    for number, words in rows:
        line = " ".join(words)
        mistake = _shape_mistake(words, polygons=polygons)
        values = () if mistake else (_class_of(words[0]), *map(float, words[1:]))
        box = box_of(values) if values else ()
        mistake = mistake or _value_mistake(words, box, classes)
        yield LabelLine(number, line, mistake, () if mistake else box, values in seen)
        if not mistake:
            seen.add(values)


def _class_of(word: str) -> float:
    """Return the class of a line, in single precision as Ultralytics reads it.

    >>> _class_of("1.00000001"), _class_of("0.5")
    (1.0, 0.5)
    """
    value = float(word)
    try:
        return value if value.is_integer() else float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return value


def is_polygon(words: Sequence[object]) -> bool:
    """Return True if a line is a class and at least three corners."""
    return len(words) > BOX + 1 and len(words) % 2 == 1


def _is_part_of_polygon(words: Sequence[object]) -> bool:
    """Return True if a line among polygons is one point, which Ultralytics takes as a box without size."""
    return len(words) == POINT


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


def box_text(cls: int, edges: tuple[float, float, float, float]) -> str:
    r"""Return the label line of a box given by left, top, right, bottom as shares of the image.

    >>> box_text(2, (0.0, 0.0, 0.5, 0.25))
    '2 0.250000 0.125000 0.500000 0.250000\n'
    """
    left, top, right, bottom = edges
    return f"{cls} {(left + right) / 2:.6f} {(top + bottom) / 2:.6f} {right - left:.6f} {bottom - top:.6f}\n"


def _shape_mistake(words: Sequence[str], *, polygons: bool) -> str:
    if not all(math.isfinite(_number(word)) for word in words):
        return f"must be finite numbers, but got {quoted(words)!r}"
    if len(words) != BOX and not (is_polygon(words) or (polygons and _is_part_of_polygon(words))):
        return f"must be `class x y width height` or a polygon, but has {len(words)} numbers"
    if polygons and len(words) == BOX:  # Ultralytics excludes the whole image
        return "boxes and polygons must not be mixed in one file, but a box is among polygons"
    return ""


def _value_mistake(words: Sequence[str], box: Sequence[float], classes: int) -> str:
    if not box:
        return ""
    if not (box[0].is_integer() and 0 <= box[0] < classes):
        return f"class must be 0 to {classes - 1}, but got {quoted(words[:1])}"
    if max(box[1:]) > 1 + TOLERANCE or min(box[1:3]) < -TOLERANCE:
        return f"box must lie inside the image (0 to 1), but got {quoted(words[1:])}"
    if min(box[3:]) < 0:
        return f"width and height must not be negative, but got {quoted(words[3:])}"
    return ""


def quoted(words: Sequence[str]) -> str:
    """Return the start of a label line as a message shows it.

    >>> quoted(["0", "0." + "5" * 100])
    '0 0.5555555555555555555555555555555555555555555555555555555555555555555555555...'
    """
    text = " ".join(word[: QUOTED + 1] for word in words[: QUOTED + 1])
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 3]}..."


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan
