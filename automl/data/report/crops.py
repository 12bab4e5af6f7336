"""Pictures for the page: the part of an image around a box, as a small JPEG."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from automl.data.pictures import Picture, colour, content_of, quiet
from automl.data.report.records import Box

SIDE: Final = 220
"""Longer side of a picture on the page, in pixels."""
CONTEXT: Final = 4.0
"""Side of the shown part, in sides of the box."""
LEAST: Final = 64
"""Least side of the shown part, in pixels of the image."""
WHOLE: Final = 0.8
"""Share of the image's longer side from which the whole image is shown."""
QUALITY: Final = 80


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of an image."""

    jpeg: bytes
    left: int
    top: int
    """Place in the image, in pixels."""
    width: int
    height: int
    image: tuple[int, int]
    """Width and height of the whole image."""


def crop(path: Path, around: Box | None = None) -> Crop | None:
    """Return the part of an image around a box, or the whole image; None where it cannot be decoded."""
    content = content_of(path)
    if isinstance(content, Picture):
        return None
    with quiet():
        pixels = colour(path, content)
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    left, top, right, bottom = _part(around, width, height)
    packed = _packed(pixels[top:bottom, left:right], SIDE)
    return Crop(packed, left, top, right - left, bottom - top, (width, height)) if packed else None


def reduced(image: bytes, side: int) -> Crop | None:
    """Return an encoded picture as a JPEG whose longer side is at most `side`; None if it cannot be decoded."""
    with quiet():
        try:
            pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR) if image else None
        except cv2.error:
            pixels = None
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    packed = _packed(np.asarray(pixels, np.uint8), min(side, max(height, width)))
    return Crop(packed, 0, 0, width, height, (width, height)) if packed else None


def _packed(part: NDArray[np.uint8], side: int) -> bytes:
    """Return pixels as a JPEG with this longer side; empty if OpenCV cannot encode it."""
    scale = side / max(part.shape[:2])
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    done, packed = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return packed.tobytes() if done else b""


def _part(around: Box | None, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the part to show.

    >>> _part((0.5, 0.5, 0.01, 0.01), 1000, 1000), _part((0.5, 0.5, 0.9, 0.9), 1000, 500)
    ((468, 468, 532, 532), (0, 0, 1000, 500))
    """
    if around is None:
        return 0, 0, width, height
    side = int(max(CONTEXT * around[2] * width, CONTEXT * around[3] * height, LEAST))
    if side >= WHOLE * max(width, height):
        return 0, 0, width, height
    left = min(max(0, int(around[0] * width - side / 2)), max(0, width - side))
    top = min(max(0, int(around[1] * height - side / 2)), max(0, height - side))
    return left, top, min(width, left + side), min(height, top + side)
