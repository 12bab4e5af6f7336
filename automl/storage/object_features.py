"""Features of the labelled objects of a split, as a trained model sees them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class ObjectFeatures:
    """One row for each chosen box of the ground truth."""

    vectors: NDArray[np.float32]
    """(boxes, features)"""
    classes: tuple[str, ...]
    """(boxes,) class names."""
    images: tuple[str, ...]
    """(boxes,) file names."""
    thumbnails: NDArray[np.uint8]
    """(boxes, edge, edge, 3) RGB, the box in a square with a margin."""
    total: int
    """Boxes of the split, chosen or not."""


def chosen(number: int, *, total: int, most: int) -> bool:
    """Return True if box `number` of `total` is one of `most` that are evenly spaced.

    >>> [number for number in range(10) if chosen(number, total=10, most=3)]
    [3, 6, 9]
    >>> all(chosen(number, total=3, most=5) for number in range(3))
    True
    """
    return total <= most or (number + 1) * most // total > number * most // total
