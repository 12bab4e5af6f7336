"""Boxes of a split as arrays, their sizes in pixels, and histograms of sizes and places."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.data.labels import box_of
from automl.data.pictures import Picture
from automl.data.report.records import ClassCount
from automl.data.report.thresholds import GRID, SIZES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Boxes:
    """All boxes of a split's usable images."""

    images: Sequence[Path]
    rows: Ints
    """Index of the image of each box."""
    classes: Ints
    places: Floats
    """n x 4: centre x, centre y, width, height as shares of the image."""
    frames: Floats
    """n x 2: width and height of the image of each box, in pixels."""

    @classmethod
    def of(cls, images: Sequence[Path], texts: Mapping[Path, str], pictures: Mapping[Path, Picture]) -> "Boxes":
        """Read the valid label lines of images, each image once."""
        unique = list(dict.fromkeys(images))
        rows: list[int] = []
        values: list[Sequence[float]] = []
        for row, image in enumerate(unique):
            for line in texts[image].splitlines():
                values.append(box_of(tuple(map(float, line.split()))))
                rows.append(row)
        table = np.array(values, dtype=np.float64).reshape(-1, 5)
        sides = np.array([(pictures[image].width, pictures[image].height) for image in unique], dtype=np.float64)
        index = np.array(rows, dtype=np.int64)
        return cls(unique, index, table[:, 0].astype(np.int64), table[:, 1:], sides.reshape(-1, 2)[index])

    @property
    def pixels(self) -> Floats:
        """Return width and height of each box in pixels of its image."""
        return np.asarray(self.places[:, 2:] * self.frames)

    @property
    def corners(self) -> Floats:
        """Return left, top, right and bottom of each box in pixels of its image."""
        centres, halves = self.places[:, :2] * self.frames, self.pixels / 2
        return np.concatenate((centres - halves, centres + halves), axis=1)

    def at(self, imgsz: int) -> Floats:
        """Return width and height of each box where the image's longer side is `imgsz` pixels."""
        return np.asarray(self.pixels * (imgsz / self.frames.max(axis=1, initial=1.0))[:, None])

    def class_counts(self, names: Mapping[int, str]) -> dict[str, ClassCount]:
        """Count boxes and images of each class."""
        boxes = Counter(self.classes.tolist())
        images = Counter(number for number, _ in set(zip(self.classes.tolist(), self.rows.tolist(), strict=True)))
        return {name: ClassCount(boxes[number], images[number]) for number, name in names.items()}

    def grid(self) -> tuple[tuple[int, ...], ...]:
        """Count box centres in GRID x GRID cells of the image, the top row first."""
        cells = np.clip((self.places[:, :2] * GRID).astype(np.int64), 0, GRID - 1)
        counts = np.bincount(cells[:, 1] * GRID + cells[:, 0], minlength=GRID * GRID)
        return tuple(tuple(row) for row in counts.reshape(GRID, GRID).tolist())


def size_groups(pixels: "NDArray[Any]") -> dict[str, int]:
    """Count boxes by the root of their area in pixels.

    >>> size_groups(np.array([[4, 4], [8, 8], [90, 90], [200, 100]]))
    {'tiny': 1, 'small': 1, 'medium': 1, 'large': 1}
    """
    roots = np.sqrt(pixels.prod(axis=1))
    groups = np.searchsorted(list(SIZES.values()), roots, side="right")
    return {name: int((groups == index).sum()) for index, name in enumerate(SIZES)}
