"""Small data sets for attacks: a few pictures of noise with labels."""

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from PIL import Image

BOX: Final = "0 0.5 0.5 0.2 0.2\n1 0.3 0.3 0.2 0.2\n"
COUNTS: Final = {"train": 6, "val": 4, "test": 3}
HALF: Final = 3


def picture(seed: int, *, kind: str = "PNG", side: int = 32) -> bytes:
    """Return the bytes of an image file of noise."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(target, kind)
    return target.getvalue()


def drawn(root: Path, *, seed: int = 0) -> Path:
    """Write a data set of three splits and two classes; return its `data.yaml`."""
    for number, (split, count) in enumerate(COUNTS.items()):
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            content = picture(1_000 * seed + 100 * number + index)
            (root / "images" / split / f"{index}.png").write_bytes(content)
            (root / "labels" / split / f"{index}.txt").write_text(BOX)
    return described(root)


def described(root: Path, **changes: object) -> Path:
    """Write `data.yaml` with some keys changed; None removes a key."""
    plain = {split: f"images/{split}" for split in COUNTS} | {"names": ["hole", "spot"]} | changes
    path = root / "data.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in plain.items() if value is not None}))
    return path


def spec(data: Path | str, **train: object) -> dict[str, Any]:
    """Return a description of a study on a data set."""
    return {
        "name": "attacked", "data": str(data), "model": "yolo11n.yaml", "budget": {"trials": 4},
        "ladder": {"min_epochs": 2, "max_epochs": 6}, "train": {"optimizer": "SGD", "close_mosaic": 1, **train},
        "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True}},
    }  # fmt: skip
