"""Image files for tests: small pictures of noise, each its own, so that none is a copy of another."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl.data.labels import label_of


def noise(seed: int, *, side: int = 24) -> NDArray[np.uint8]:
    """Return coarse noise of side x side x 3."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC))


def encoded(picture: NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    target = io.BytesIO()
    Image.fromarray(picture).save(target, kind, **options)
    return target.getvalue()


def picture(path: Path, *, labels: str | None = None, seed: int | None = None) -> Path:
    """Write a PNG of its own noise, whatever the suffix, and with `labels` its label file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(noise(zlib.crc32(str(path).encode(errors="replace")) if seed is None else seed)))
    if labels is not None:
        label_of(path).parent.mkdir(parents=True, exist_ok=True)
        label_of(path).write_text(labels)
    return path
