"""Findings of a data set split: images kept and excluded, boxes, and how label lines and images are interpreted."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from automl.data.identity import EXCLUDED, Entry
from automl.data.images import Listing, image_problem
from automl.data.labels import BOX, CORNERS, LabelLine, label_of, lines_of, read_labels
from automl.data.pictures import Picture

FEW_LEVELS: Final = 64
"""Grey levels that remain of 14 bits in a 16-bit file, since only the high byte is read."""
POSE_LIKE: Final = 0.9
"""Share of lines that must look like box and keypoints for a warning."""
OUTSIDE: Final = 0.02
"""How far a keypoint may lie outside its box, as a share of the image."""


@dataclass(slots=True)
class Split:
    """Findings of one split."""

    listed: Listing
    images: tuple[Path, ...] = ()
    """Images that are used for training."""
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    left_out: int = 0
    """Images excluded because one of their label lines is invalid."""
    lines: int = 0
    bad: list[str] = field(default_factory=list)
    boxes: Counter[int] = field(default_factory=Counter)
    good: int = 0
    """Label lines that are used for training."""
    polygons: int = 0
    corners: int = 0
    """Polygons of four corners."""
    pose_like: int = 0
    """Polygons that read as box and keypoints as well."""
    repeated: int = 0
    flat: int = 0
    dark: list[Path] = field(default_factory=list)
    """16-bit images that keep few grey levels."""
    entries: list[Entry] = field(default_factory=list)
    """All listed images with their content."""
    texts: dict[Path, str] = field(default_factory=dict)
    """Image to its valid label lines, without repeats."""

    def too_many_invalid(self, share: float) -> bool:
        """Return True if more than a share of the label lines are invalid."""
        return len(self.bad) > share * self.lines

    def meanings(self) -> Iterator[str]:
        """Yield warnings about label lines and images whose interpretation may surprise."""
        if self.polygons and self.pose_like >= POSE_LIKE * self.polygons:
            yield (
                f"{self.pose_like} label lines look like boxes with keypoints, but are read as polygons, so that "
                "their boxes are incorrect; add `kpt_shape: [keypoints, values each]` to the data.yaml"
            )
        elif self.polygons:
            what = "label lines of four corners (oriented boxes)" if self.polygons == self.corners else "polygons"
            acts = (
                "applies to them" if self.polygons == self.good else "does not apply, since other label lines are boxes"
            )
            yield f"{self.polygons} {what} are replaced by their bounding boxes for training; copy_paste {acts}"
        if self.dark:
            yield (
                f"{len(self.dark)} images have 16 bits per sample, of which only the high byte is read: at most "
                f"{FEW_LEVELS} grey levels remain, such as in {self.dark[0]}; scale their values to the full range, "
                "or save them with 8 bits"
            )


@dataclass(frozen=True, slots=True)
class Rules:
    """How the label lines of a data set are read."""

    classes: int
    keypoints: int = 0
    """Number of keypoint values in a label line."""
    inside: tuple[Path, ...] = ()
    """The folders of the data set, in which links of label files must end; empty to follow any link."""


def read_split(listed: Listing, pictures: Mapping[Path, Picture], rules: Rules) -> Split:
    """Read and count the labels of a split's usable images; an image named twice counts twice."""
    found, kept = Split(listed), list[Path]()
    read: dict[Path, tuple[Sequence[LabelLine], str]] = {}
    for image in listed.images:
        if problem := _problem(image, pictures):
            found.unreadable.append((image, problem))
            found.entries.append(Entry(image.name, EXCLUDED + pictures[image].digest.hex(), ""))
            continue
        first = image not in read
        lines, digest = read[image] if not first else read.setdefault(image, _read(image, rules))
        found.entries.append(Entry(image.name, pictures[image].digest.hex(), digest))
        wrong = [line for line in lines if line.mistake]
        found.lines += len(lines)
        if first:
            found.bad += [f"{label_of(image)}:{line.number}: {line.mistake}" for line in wrong]
        if wrong:
            found.left_out += 1
            continue
        kept.append(image)
        if first:
            found.texts[image] = "".join(f"{line.text}\n" for line in lines if not line.repeated)
        _count(found, lines)
        if first and pictures[image].levels <= FEW_LEVELS:
            found.dark.append(image)
    found.images = tuple(kept)
    return found


def _read(image: Path, rules: Rules) -> tuple[Sequence[LabelLine], str]:
    file = read_labels(image, inside=rules.inside)
    return list(lines_of(file, rules.classes, keypoints=rules.keypoints)), file.digest


def _problem(image: Path, pictures: Mapping[Path, Picture]) -> str:
    return image_problem(image) or pictures[image].problem


def _count(found: Split, lines: Sequence[LabelLine]) -> None:
    """Count the boxes of an image whose lines are all valid."""
    found.repeated += sum(line.repeated for line in lines)
    for line in lines:
        if line.repeated:
            continue
        values = [float(word) for word in line.text.split()]
        found.good += 1
        found.boxes[int(line.box[0])] += 1
        found.flat += min(line.box[3:]) == 0
        if len(values) != BOX:
            found.polygons += 1
            found.corners += len(values) == CORNERS
            found.pose_like += len(values) > BOX and looks_like_keypoints(values)


def looks_like_keypoints(values: Sequence[float]) -> bool:
    """Return True if the numbers of a polygon read as well as a box and keypoints in it, two or three numbers each.

    >>> looks_like_keypoints([0, 0.5, 0.5, 0.2, 0.2, 0.45, 0.5, 0.55, 0.5])
    True
    >>> looks_like_keypoints([0, 0.1, 0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9])
    False
    """
    x, y, width, height = values[1:5]
    rest = values[5:]
    flagged = len(rest) % 3 == 0 and all(value in {0, 1, 2} for value in rest[2::3])
    step = 3 if flagged else 2
    points = [(a, b) for a, b in zip(rest[::step], rest[1::step], strict=False) if (a, b) != (0, 0)]
    if len(points) < 2:
        return False
    across, down = [a for a, _ in points], [b for _, b in points]
    central = min(across) <= x <= max(across) and min(down) <= y <= max(down)  # a polygon's first corner seldom is
    return central and all(abs(a - x) <= width / 2 + OUTSIDE and abs(b - y) <= height / 2 + OUTSIDE for a, b in points)
