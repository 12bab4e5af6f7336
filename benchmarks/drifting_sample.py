"""Pictures of the sample data set whose light and defects drift from month to month."""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from automl.data import sample

FIRST_MIX: Final = (0.48, 0.47, 0.05)
LAST_MIX: Final = (0.15, 0.25, 0.60)
"""Shares of hole, scratch and spot in the first month and in the last."""
DARKENING: Final = 0.6
"""Loss of light in the last month."""
SLOPE: Final = 0.5
"""Further loss at one side of the picture in the last month."""
NOISE: Final = 6.0
"""Standard deviation of the sensor's further noise in the last month, in grey levels."""
QUALITY: Final = 92
"""Quality of the JPEG files, as of the sample data set."""

Boxes = list[tuple[int, sample.Box]]


def scene(rng: np.random.Generator, drift: float) -> tuple[NDArray[np.uint8], Boxes]:
    """Draw a picture (BGR) and its boxes; `drift` is 0 in the first month and 1 in the last."""
    surface, boxes = sample.brushed_metal(rng), Boxes()
    mix = (1 - drift) * np.array(FIRST_MIX) + drift * np.array(LAST_MIX)
    wanted = 0 if rng.random() < sample.EMPTY_SHARE else int(rng.integers(1, sample.MAX_DEFECTS + 1))
    for _ in range(wanted * 6):
        if len(boxes) == wanted:
            break
        kind = int(rng.choice(len(mix), p=mix / mix.sum()))
        candidate, mask = sample.DEFECTS[kind](surface, rng)
        box = sample.bounding_box(mask)
        if box is not None and all(sample.overlap(box, other) <= sample.MAX_OVERLAP for _, other in boxes):
            surface = candidate
            boxes.append((kind, box))
    return _lit(sample.photograph(surface, rng), rng, drift), boxes


def _lit(picture: NDArray[np.uint8], rng: np.random.Generator, drift: float) -> NDArray[np.uint8]:
    slope = 1 - SLOPE * drift * np.linspace(0, 1, picture.shape[1])[None, :, None]
    dark = picture * (1 - DARKENING * drift) * slope
    noisy = dark + NOISE * drift * rng.standard_normal(picture.shape[:2])[..., None]
    found: NDArray[np.uint8] = np.clip(noisy, 0, 255).astype(np.uint8)
    return found


def encoded(picture: NDArray[Any]) -> bytes:
    """Return the bytes of a JPEG file."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def write_split(root: Path, split: str, pictures: list[tuple[NDArray[np.uint8], Boxes]]) -> None:
    """Write the images and labels of a split."""
    images, labels = root / "images" / split, root / "labels" / split
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    for index, (picture, boxes) in enumerate(pictures):
        (images / f"{index:04d}.jpg").write_bytes(encoded(picture))
        (labels / f"{index:04d}.txt").write_text("".join(sample.label_line(kind, box) for kind, box in boxes))
