"""How the tiny trainer's weights are judged: each true box is hit or missed by luck and quality."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from automl.data.audit.records import Detections, corners
from automl.data.labels import label_lines
from automl.storage.boxes import Boxes
from automl.storage.detections import THRESHOLDS, ImageStats
from automl.study.yaml_io import read_yaml

SIDE = 32
"""Width and height of an image that a record names; nothing depends on it."""


def judged(images: Sequence[Path], classes: int, quality: float) -> ImageStats:
    """Find each box of the labels as closely as its own luck, the same for all weights, and the quality allow."""
    boxes = [(index, int(line.text.split()[0])) for index, image in enumerate(images)
             for line in label_lines(image, classes)]  # fmt: skip
    corners = np.array([_corners(line.text) for image in images for line in label_lines(image, classes)])
    image, kind = np.array(boxes, dtype=np.int64).reshape(-1, 2).T
    luck = np.array([_luck(f"{images[index].name} {number}") for number, (index, _) in enumerate(boxes)])
    overlap = 1 - 0.05 * np.arange(THRESHOLDS)
    return ImageStats(
        image=image, tp=luck[:, None] < quality * overlap, conf=1 - luck, kind=kind, truth_image=image,
        truth_kind=kind, images=len(images), names=tuple(path.name for path in images),
        boxes=Boxes(corners.reshape(-1, 4), corners.reshape(-1, 4), np.full((len(images), 2), SIDE)),
    )  # fmt: skip


def _corners(label: str) -> list[float]:
    x, y, width, height = (float(word) for word in label.split()[1:5])
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def _luck(name: str) -> float:
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12


def detected(images: Sequence[Path], data: Path, quality: float) -> Iterator[Detections]:
    """Yield each box of the labels of an image but the first, as sure as the quality is."""
    classes = len(read_yaml(data)["names"])
    for image in images:
        boxes = [line.box for line in label_lines(image, classes)][1:]
        yield Detections(
            boxes=np.array([corners((x, y, width, height)) for _, x, y, width, height in boxes]).reshape(-1, 4),
            conf=np.full(len(boxes), quality),
            kind=np.array([int(box[0]) for box in boxes], dtype=np.int64),
        )
