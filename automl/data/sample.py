"""Generate the sample data set: defects on brushed metal, three classes, the same bytes for the same seed.

Called by `automl sample` and by a study whose `data` is `sample`. Needs numpy and OpenCV, no network and no files.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]
Box = tuple[int, int, int, int]

NAMES: Final = ("hole", "scratch", "spot")
SPLITS: Final = {"train": 160, "val": 128, "test": 128}
SIZE: Final = 128
EMPTY_SHARE: Final = 0.08
MAX_DEFECTS: Final = 4
MAX_OVERLAP: Final = 0.1
SUBPIXEL: Final = 4


def draw(root: Path, *, seed: int = 0, splits: dict[str, int] | None = None) -> Path:
    """Write images, YOLO labels and `data.yaml` below `root`, and return the path of `data.yaml`."""
    for position, (split, count) in enumerate((splits or SPLITS).items()):
        images, labels = root / "images" / split, root / "labels" / split
        images.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            picture, boxes = scene(np.random.default_rng([seed, position, index]))
            cv2.imwrite(str(images / f"{index:04d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
            (labels / f"{index:04d}.txt").write_text("".join(label_line(kind, box) for kind, box in boxes))
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(NAMES))
    paths = "".join(f"{split}: images/{split}\n" for split in (splits or SPLITS))
    data = root / "data.yaml"
    data.write_text(f"# Drawn by `automl sample` with seed {seed}: defects on brushed metal.\n{paths}names:\n{names}")
    return data


def scene(rng: np.random.Generator) -> tuple[NDArray[np.uint8], list[tuple[int, Box]]]:
    """Draw one picture (SIZE x SIZE x 3, BGR) and the boxes (class, (x0, y0, x1, y1) in pixels) on it."""
    surface = brushed_metal(rng)
    boxes: list[tuple[int, Box]] = []
    wanted = 0 if rng.random() < EMPTY_SHARE else int(rng.integers(1, MAX_DEFECTS + 1))
    for _ in range(wanted * 6):
        if len(boxes) == wanted:
            break
        kind = int(rng.integers(len(NAMES)))
        candidate, mask = DEFECTS[kind](surface, rng)
        box = bounding_box(mask)
        if box is not None and all(overlap(box, other) <= MAX_OVERLAP for _, other in boxes):
            surface = candidate
            boxes.append((kind, box))
    return photograph(surface, rng), boxes


def brushed_metal(rng: np.random.Generator) -> Gray:
    """Draw streaks along one axis under uneven light; values near 0..255."""
    streaks = enlarged(normal(rng, (SIZE, SIZE // 12))) + np.float32(0.6) * normal(rng, (SIZE, 1))
    if rng.random() < 0.5:
        streaks = np.ascontiguousarray(streaks.T)
    light = enlarged(normal(rng, (3, 3)))
    metal: Gray = np.float32(rng.uniform(90, 170)) + np.float32(rng.uniform(4, 9)) * streaks
    return metal + np.float32(rng.uniform(5, 14)) * light


def enlarged(noise: Gray) -> Gray:
    """Resize noise smoothly to the image."""
    return np.asarray(cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def hole(surface: Gray, rng: np.random.Generator) -> tuple[Gray, Gray]:
    """Draw a hole: a dark ellipse with a rim that is bright on one side."""
    major = rng.uniform(4, 9)
    axes = (major, major * rng.uniform(0.75, 1.0))
    centre, angle = rng.uniform(12, SIZE - 12, 2), rng.uniform(0, 180)
    inside = ellipse(centre, axes, angle)
    outside = ellipse(centre, (axes[0] + 1.6, axes[1] + 1.6), angle)
    towards = rng.uniform(0, 2 * np.pi)
    lit = ellipse(centre + 0.8 * np.array([np.cos(towards), np.sin(towards)]), (axes[0] + 1.2, axes[1] + 1.2), angle)
    level = float(surface.mean())
    drilled = surface + (lit - inside).clip(0) * np.float32(rng.uniform(30, 60))
    drilled = drilled * (1 - inside) + inside * np.float32(level * rng.uniform(0.2, 0.5))
    return drilled.astype(np.float32), outside


def scratch(surface: Gray, rng: np.random.Generator) -> tuple[Gray, Gray]:
    """Draw a scratch: a thin bent line, more often brighter than the metal than darker."""
    start = rng.uniform(8, SIZE - 8, 2)
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(26, 62)
    way = np.array([np.cos(angle), np.sin(angle)])
    bend = np.array([-way[1], way[0]]) * length * rng.uniform(-0.35, 0.35)
    steps = np.linspace(0, 1, 20)[:, None]
    points = start + steps * way * length + (4 * steps * (1 - steps)) * bend
    mask = np.zeros((SIZE, SIZE), np.uint8)
    line = np.round(points * 2**SUBPIXEL).astype(np.int32)
    cv2.polylines(
        mask, [line], isClosed=False, color=255, thickness=int(rng.integers(1, 3)), lineType=cv2.LINE_AA, shift=SUBPIXEL
    )
    weight: Gray = np.asarray(mask / 255, dtype=np.float32)
    depth = rng.uniform(40, 75) * (1 if rng.random() < 0.65 else -1)
    return (surface + weight * np.float32(depth)).astype(np.float32), weight


def spot(surface: Gray, rng: np.random.Generator) -> tuple[Gray, Gray]:
    """Draw a spot: a soft blob of a few overlapping bumps."""
    centre, radius = rng.uniform(14, SIZE - 14, 2), rng.uniform(5, 10)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    stain = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(4):
        x, y = centre + rng.normal(0, radius * 0.35, 2)
        spread = radius * rng.uniform(0.55, 0.9)
        stain = np.maximum(stain, np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2)).astype(np.float32))
    mask = 1 / (1 + np.exp(-(stain - 0.55) * 14))
    depth = rng.uniform(26, 50) * (1 if rng.random() < 0.3 else -1)
    return surface + mask * np.float32(depth), mask


Defect = Callable[[Gray, np.random.Generator], tuple[Gray, Gray]]
DEFECTS: Final[tuple[Defect, ...]] = (hole, scratch, spot)


def photograph(surface: Gray, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add blur, sensor noise and a slight tint; return BGR bytes."""
    blurred = cv2.GaussianBlur(surface, (3, 3), float(rng.uniform(0.3, 0.9)))
    noisy = blurred + np.float32(rng.uniform(1.5, 6)) * normal(rng, surface.shape)
    tint = rng.uniform(0.95, 1.05, 3)
    picture: NDArray[np.uint8] = np.clip(noisy[..., None] * tint, 0, 255).astype(np.uint8)
    return picture


def ellipse(centre: NDArray[Any], axes: tuple[float, float], angle: float) -> Gray:
    """Return the coverage (0..1) of a filled ellipse; `angle` in degrees."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    scale = 2**SUBPIXEL
    middle = (round(float(centre[0]) * scale), round(float(centre[1]) * scale))
    radii = (round(axes[0] * scale), round(axes[1] * scale))
    cv2.ellipse(mask, middle, radii, angle, 0, 360, 255, -1, cv2.LINE_AA, SUBPIXEL)
    return np.asarray(mask / 255, dtype=np.float32)


def bounding_box(mask: Gray) -> Box | None:
    """Return the box round all pixels that are at least half covered, or None if fewer than six are."""
    rows, columns = np.where(mask >= 0.5)
    if len(columns) < 6:
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def overlap(one: Box, other: Box) -> float:
    """Return the intersection's area as a share of the smaller box.

    >>> overlap((0, 0, 10, 10), (5, 0, 15, 10))
    0.5
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / smaller


def label_line(kind: int, box: Box) -> str:
    r"""Write one YOLO label: class, centre x, centre y, width, height, all relative to the picture.

    >>> label_line(2, (0, 0, 64, 32))
    '2 0.250000 0.125000 0.500000 0.250000\n'
    """
    x0, y0, x1, y1 = (edge / SIZE for edge in box)
    return f"{kind} {(x0 + x1) / 2:.6f} {(y0 + y1) / 2:.6f} {x1 - x0:.6f} {y1 - y0:.6f}\n"


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Gray:
    """Draw standard normal noise."""
    return rng.standard_normal(shape, dtype=np.float32)
