"""Records of an import: boxes and images as the readers find them, and what was left out with the reason."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SPLIT_NAMES: Final = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of folders, subsets and files that name a split."""


@dataclass(frozen=True, slots=True)
class NamedBox:
    """A box of a class, by its name; edges as shares of the image, not yet clipped."""

    name: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Annotated:
    """An image of the source with its annotation."""

    image: Path
    boxes: tuple[NamedBox, ...] = ()
    split: str = ""
    """The split that the source names; empty where it names none."""
    size: tuple[int, int] | None = None
    """Width and height that the annotation gives, in pixels."""
    labelled: bool = True
    """False for an image that was not annotated: it is no background, it waits for labels."""


@dataclass(slots=True)
class Notes:
    """What a reader left out or changed: reason to examples."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, example: object) -> None:
        """Count one case."""
        self.found.setdefault(reason, []).append(str(example))

    def lines(self) -> list[str]:
        """Return one line a reason, with its number and an example."""
        return [f"{len(cases)} {reason}, such as {cases[0]}" for reason, cases in self.found.items()]


@dataclass(frozen=True, slots=True)
class Reading:
    """The content of a source."""

    kind: str
    """Name of the format."""
    names: tuple[str, ...]
    """Class names in the order of the source."""
    images: tuple[Annotated, ...]
    notes: Notes


def split_of(text: str) -> str:
    """Return the split that a folder, subset or file name names, else an empty text.

    >>> [split_of(text) for text in ("Validation", "instances_train2017", "day_trainer", "a")]
    ['val', 'train', '', '']
    """
    words = "".join(letter if letter.isalpha() else " " for letter in text.lower()).split()
    found = {SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else ""


def pixel_box(name: str, edges: Iterable[float], size: tuple[float, float]) -> NamedBox:
    """Return a box given by left, top, right, bottom in pixels of an image of that width and height.

    >>> pixel_box("hole", (10, 0, 20, 5), (100, 50))
    NamedBox(name='hole', left=0.1, top=0.0, right=0.2, bottom=0.1)
    """
    left, top, right, bottom = edges
    width, height = size
    return NamedBox(name, left / width, top / height, right / width, bottom / height)


def around(points: Iterable[tuple[float, float]]) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of points.

    >>> around([(1, 5), (3, 2)])
    (1, 2, 3, 5)
    """
    across, down = zip(*points, strict=True)
    return min(across), min(down), max(across), max(down)


def by_first_use(images: Iterable[Annotated], known: Iterable[str] = ()) -> tuple[str, ...]:
    """Return class names: the known ones in their order, then the others sorted."""
    listed = dict.fromkeys(known)
    others = {box.name for one in images for box in one.boxes} - listed.keys()
    return (*listed, *sorted(others))


Reader = Callable[["Source"], Reading]


@dataclass(frozen=True, slots=True)
class Source:
    """A folder to be imported: its images and its annotation files."""

    folder: Path
    files: Mapping[str, tuple[Path, ...]]
    """Lower-case suffix to the other files of the folder, at any depth, sorted."""
    images: tuple[Path, ...]
