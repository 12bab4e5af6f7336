"""Cache of the label audit's detections: an archive for each model and split, written atomically."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from automl.data.audit.records import Detections
from automl.storage import files
from automl.storage.detections import DAMAGES
from automl.storage.records import RecordError

FORMAT: Final = 1
"""Bump it when detections are made in another way."""
DIGITS: Final = 16


def place(folder: Path, *, weights: str, data: str, split: str) -> Path:
    """Return the file of the detections of weights (SHA-256) on a split of a data set (fingerprint)."""
    return folder / f"{split}-{weights[:DIGITS]}-{data[:DIGITS]}-{FORMAT}.npz"


def write(path: Path, found: Sequence[Detections]) -> None:
    """Write the detections of all images."""
    path.parent.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        counts=np.array([len(one.conf) for one in found], np.int64),
        boxes=np.concatenate([one.boxes for one in found] or [np.zeros((0, 4))]),
        conf=np.concatenate([one.conf for one in found] or [np.zeros(0)]),
        kind=np.concatenate([one.kind for one in found] or [np.zeros(0, np.int64)]),
    )
    files.write_bytes(path, buffer.getvalue())


def read(path: Path, images: int) -> list[Detections]:
    """Read what `write` wrote for so many images.

    Raises:
        RecordError: the file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            counts, boxes, conf, kind = (archive[name] for name in ("counts", "boxes", "conf", "kind"))
        if len(counts) != images or not len(boxes) == len(conf) == len(kind) == counts.sum():
            raise ValueError(f"it has detections of {len(counts)} images, not of {images}")
    except DAMAGES as wrong:
        raise RecordError(f"{path}: must contain detections, but {wrong}; they are predicted again") from wrong
    ends = np.cumsum(counts)[:-1]
    parts = zip(np.split(boxes, ends), np.split(conf, ends), np.split(kind, ends), strict=True)
    return [Detections(*part) for part in parts] if images else []
