"""Boxes of detections and of ground truth, as shares of their image; intersection over union."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

STEPS: Final = 65535
"""Steps of a stored coordinate: 0.06 pixels of an image of 4000."""
FOUND: Final = "box"
TRUTH: Final = "truth_box"
SIZES: Final = "size"


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Boxes beside `ImageStats`, in its order: left, top, right, bottom as shares of the image, 0 to 1."""

    found: FloatArray
    """(detections, 4)"""
    truth: FloatArray
    """(ground-truth boxes, 4)"""
    sizes: IntArray
    """(images, 2) width and height of the upright image in pixels."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return arrays for an .npz archive: 8 bytes a box."""
        return {FOUND: _stored(self.found), TRUTH: _stored(self.truth), SIZES: np.asarray(self.sizes, np.int32)}


def boxes_of(arrays: dict[str, NDArray[Any]]) -> Boxes | None:
    """Return the boxes in the arrays of an archive; None in one of an earlier version, which has none.

    Raises:
        ValueError: an array is of another kind, or some are missing.
    """
    kept = {name: arrays[name] for name in (FOUND, TRUTH, SIZES) if name in arrays}
    if not kept:
        return None
    if len(kept) != 3 or any(not np.issubdtype(array.dtype, np.integer) for array in kept.values()):
        raise ValueError(f"boxes: must be whole numbers in {FOUND}, {TRUTH} and {SIZES}, but got others")
    return Boxes(kept[FOUND] / STEPS, kept[TRUTH] / STEPS, kept[SIZES].astype(np.int64))


def shape_mistake(boxes: Boxes, *, found: int, truths: int, images: int) -> str:
    """Return how the shapes differ from those of the detections; empty if they agree."""
    shapes = {"found": (found, 4), "truth": (truths, 4), "sizes": (images, 2)}
    wrong = {name: shape for name, shape in shapes.items() if getattr(boxes, name).shape != shape}
    return "; ".join(
        f"boxes.{name}: must have shape {shape}, but got {getattr(boxes, name).shape}" for name, shape in wrong.items()
    )


def overlaps(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the (first, second) intersections over union of boxes given by their corners.

    >>> overlaps(np.array([[0.0, 0.0, 0.5, 1.0]]), np.array([[0.0, 0.0, 1.0, 1.0], [0.5, 0.0, 1.0, 1.0]])).tolist()
    [[0.5, 0.0]]
    """
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)]
    whole = areas[0][:, None] + areas[1][None, :] - common
    return np.asarray(np.divide(common, whole, out=np.zeros_like(common), where=whole > 0), np.float64)


def _stored(boxes: FloatArray) -> NDArray[np.uint16]:
    return np.round(np.clip(boxes, 0, 1) * STEPS).astype(np.uint16)
