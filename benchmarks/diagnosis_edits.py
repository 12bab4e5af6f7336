"""Faults of a data set and of a program, planted for `diagnosis.py`."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
"""(boxes, 5): class, centre, width and height, as shares of the image."""
VICTIM: Final = 0
"""Class that loses its labels."""


def apply(edit: tuple[str, float], root: Path, rng: Generator) -> None:
    """Change the labels or images of a drawn data set below `root`."""
    name, strength = edit
    if name == "two sizes":
        for split in ("train", "val"):
            two_sizes(root, split, strength, rng)
    elif name == "labels of others":
        paths = sorted((root / "labels" / "train").glob("*.txt"))
        texts = [path.read_text() for path in paths]
        for path, text in zip(paths, texts[len(texts) // 2 :] + texts[: len(texts) // 2], strict=True):
            path.write_text(text)
    elif name:
        split = "val" if name == "val unlabelled" else "train"
        for path in sorted((root / "labels" / split).glob("*.txt")):
            write_boxes(path, CHANGES[name](read_boxes(path), strength, rng))


def read_boxes(path: Path) -> Boxes:
    """Return the boxes of a label file."""
    return np.array([[float(word) for word in line.split()] for line in path.read_text().splitlines()]).reshape(-1, 5)


def write_boxes(path: Path, boxes: Boxes) -> None:
    """Write a label file."""
    path.write_text("".join(f"{int(row[0])} {' '.join(f'{value:.6f}' for value in row[1:])}\n" for row in boxes))


def unlabelled(boxes: Boxes, share: float, rng: Generator) -> Boxes:
    """Drop a share of the boxes of one class."""
    kept: Boxes = boxes[(boxes[:, 0] != VICTIM) | (rng.random(len(boxes)) >= share)]
    return kept


def all_unlabelled(boxes: Boxes, share: float, rng: Generator) -> Boxes:
    """Drop a share of all boxes."""
    kept: Boxes = boxes[rng.random(len(boxes)) >= share]
    return kept


def boxes_moved(boxes: Boxes, share: float, rng: Generator) -> Boxes:
    """Move each box and change its size by up to a share of its sides."""
    moved = boxes.copy()
    moved[:, 1:3] += rng.uniform(-share, share, (len(boxes), 2)) * boxes[:, 3:]
    moved[:, 3:] *= np.exp(rng.uniform(-share, share, (len(boxes), 2)))
    low = np.clip(moved[:, 1:3] - moved[:, 3:] / 2, 0, 0.95)
    high = np.maximum(np.clip(moved[:, 1:3] + moved[:, 3:] / 2, 0, 1), low + 0.02)
    found: Boxes = np.concatenate([boxes[:, :1], (low + high) / 2, high - low], axis=1)
    return found


CHANGES: Final[Mapping[str, Callable[[Boxes, float, Generator], Boxes]]] = {
    "unlabelled": unlabelled,
    "val unlabelled": all_unlabelled,
    "train unlabelled": all_unlabelled,
    "boxes moved": boxes_moved,
}


def two_sizes(root: Path, split: str, share: float, rng: Generator) -> None:
    """Magnify every second image; of the others, in the training split, drop a share of the boxes."""
    for place, path in enumerate(sorted((root / "images" / split).glob("*.jpg"))):
        label = root / "labels" / split / f"{path.stem}.txt"
        if place % 2:
            picture, boxes = magnified(cv2.imread(str(path)), read_boxes(label))
            cv2.imwrite(str(path), picture)
            write_boxes(label, boxes)
        elif split == "train":
            write_boxes(label, all_unlabelled(read_boxes(label), share, rng))


def magnified(picture: Any, boxes: Boxes) -> tuple[Any, Boxes]:  # noqa: ANN401
    """Return the middle of an image, three times as large, with the boxes whose centres are in it."""
    height, width = picture.shape[:2]
    top, left = height // 3, width // 3
    part = picture[top : top + height // 3, left : left + width // 3]
    scale = np.array([width / (width // 3), height / (height // 3)])
    corner = np.array([left / width, top / height])
    low = (boxes[:, 1:3] - boxes[:, 3:] / 2 - corner) * scale
    high = (boxes[:, 1:3] + boxes[:, 3:] / 2 - corner) * scale
    inside = np.all(np.abs((low + high) / 2 - 0.5) < 0.5, axis=1)
    low, high = np.clip(low[inside], 0, 1), np.clip(high[inside], 0, 1)
    return cv2.resize(part, (width, height)), np.concatenate([boxes[inside, :1], (low + high) / 2, high - low], axis=1)


def hooks(hook: tuple[str, float]) -> dict[str, Callable[[Any], None]]:
    """Return callbacks of Ultralytics that plant a fault of the program."""
    name, strength = hook
    if name == "no augmentation":
        return {"on_train_start": _no_augmentation}
    if name == "slow data":
        return {"on_train_start": lambda trainer: _slow(trainer, strength)}
    if name == "out of memory":
        return {"on_train_batch_start": _at(int(strength), _fail)}  # at the forward pass of that batch
    if name == "weight not finite":
        return {"on_train_batch_start": _at(int(strength), _spoil)}
    return {}


def _at(batch: int, act: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a callback that acts at the start of one batch, counted from 1 over all epochs."""
    left = [batch]

    def callback(trainer: Any) -> None:  # noqa: ANN401
        left[0] -= 1
        if left[0] == 0:
            act(trainer)

    return callback


def _fail(trainer: Any) -> None:  # noqa: ANN401
    before = trainer.preprocess_batch

    def once(_batch: Any) -> Any:  # noqa: ANN401
        trainer.preprocess_batch = before
        raise RuntimeError("CUDA out of memory")

    trainer.preprocess_batch = once


def _spoil(trainer: Any) -> None:  # noqa: ANN401
    next(trainer.model.parameters()).data.fill_(float("nan"))


def _no_augmentation(trainer: Any) -> None:  # noqa: ANN401
    data = trainer.train_loader.dataset
    data.augment = False
    data.transforms = data.build_transforms(trainer.args)


def _slow(trainer: Any, seconds: float) -> None:  # noqa: ANN401
    data = trainer.train_loader.dataset
    before = data.get_image_and_label

    def slowly(index: int) -> Any:  # noqa: ANN401
        time.sleep(seconds)
        return before(index)

    data.get_image_and_label = slowly
