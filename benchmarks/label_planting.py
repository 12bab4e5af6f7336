"""Planted label errors: copies a YOLO data set and moves, swaps, drops and adds a share of its boxes."""

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.data.labels import label_lines

MOVED: Final = "moved"
SWAPPED: Final = "swapped"
DROPPED: Final = "dropped"
ADDED: Final = "added"
KINDS: Final = (MOVED, SWAPPED, DROPPED, ADDED)
SHIFT: Final = (0.15, 0.35)
"""A moved box is shifted by this share of its width and of its height: IoU with the true box 0.57 to 0.27."""
FREE: Final = 0.1
"""Highest IoU of an added box with any label."""
TRIES: Final = 200

Box = tuple[float, float, float, float]
"""Centre x, centre y, width, height as shares of the image."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted error."""

    kind: str
    split: str
    image: str
    """File name."""
    written: Box | None
    """The box in the changed label file; None where it was dropped."""
    true: Box | None
    """The box before; None where it was added."""


@dataclass(slots=True)
class _Label:
    cls: int
    box: Box


def plant(source: Path, target: Path, *, share: float, seed: int, splits: Sequence[str]) -> list[Planted]:
    """Copy a data set with folders `images/<split>` and `labels/<split>`; plant errors; return them.

    In each split, `share` of the boxes get an error, a quarter of them of each kind.
    """
    shutil.rmtree(target, ignore_errors=True)
    for part in ("images", "labels"):
        for split in splits:
            shutil.copytree(source / part / split, target / part / split)
    shutil.copyfile(source / "data.yaml", target / "data.yaml")
    found = []
    for split in splits:
        found += _planted(target, split, share=share, random_=random.Random(f"{seed} {split}"))
    return found


def _planted(folder: Path, split: str, *, share: float, random_: random.Random) -> list[Planted]:
    images = sorted(path for path in (folder / "images" / split).iterdir() if path.suffix == ".jpg")
    labels = {
        image: [_Label(int(line.box[0]), _box(line.box)) for line in label_lines(image, 1000)] for image in images
    }
    classes = sorted({label.cls for ours in labels.values() for label in ours})
    places = [(image, number) for image, ours in labels.items() for number in range(len(ours))]
    chosen = random_.sample(places, round(share * len(places)))
    found, dropped = [], set[tuple[Path, int]]()
    for turn, (image, number) in enumerate(chosen):
        kind, label = KINDS[turn % len(KINDS)], labels[image][number]
        true = label.box
        if kind == MOVED:
            label.box = moved(label.box, random_)
        elif kind == SWAPPED:
            label.cls = random_.choice([other for other in classes if other != label.cls])
        elif kind == DROPPED:
            dropped.add((image, number))
        elif (box := _free(label.box, [one.box for one in labels[image]], random_)) is not None:
            labels[image].append(_Label(label.cls, box))
            found.append(Planted(ADDED, split, image.name, box, None))
            continue
        else:
            continue
        found.append(Planted(kind, split, image.name, None if kind == DROPPED else label.box, true))
    _write(labels, dropped)
    return found


def _write(labels: Mapping[Path, Sequence[_Label]], dropped: set[tuple[Path, int]]) -> None:
    for image, ours in labels.items():
        kept = [label for number, label in enumerate(ours) if (image, number) not in dropped]
        lines = (" ".join([str(label.cls), *(f"{value:.6f}" for value in label.box)]) + "\n" for label in kept)
        path = image.parents[2] / "labels" / image.parent.name / f"{image.stem}.txt"
        path.write_text("".join(lines), encoding="utf-8")


def moved(box: Box, random_: random.Random) -> Box:
    """Return a box shifted in both directions, away from the border that is nearer.

    >>> moved((0.5, 0.5, 0.2, 0.2), random.Random(0)) == (0.5, 0.5, 0.2, 0.2)
    False
    """
    x, y, width, height = box
    across, down = (random_.uniform(*SHIFT) * side * random_.choice((-1, 1)) for side in (width, height))
    x = x + across if width / 2 <= x + across <= 1 - width / 2 else x - across
    y = y + down if height / 2 <= y + down <= 1 - height / 2 else y - down
    return _inside((x, y, width, height))


def _inside(box: Box) -> Box:
    """Cut a box at the border of the image."""
    left, top = max(0.0, box[0] - box[2] / 2), max(0.0, box[1] - box[3] / 2)
    right, bottom = min(1.0, box[0] + box[2] / 2), min(1.0, box[1] + box[3] / 2)
    return ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def _free(like: Box, others: Sequence[Box], random_: random.Random) -> Box | None:
    """Return a box of the same size in a free place, None if none is found."""
    width, height = min(like[2], 0.9), min(like[3], 0.9)
    for _ in range(TRIES):
        x, y = random_.uniform(width / 2, 1 - width / 2), random_.uniform(height / 2, 1 - height / 2)
        if all(overlap((x, y, width, height), other) < FREE for other in others):
            return (x, y, width, height)
    return None


def overlap(one: Box, other: Box) -> float:
    """Return the IoU of two boxes.

    >>> overlap((0.5, 0.5, 0.2, 0.2), (0.5, 0.5, 0.2, 0.1))
    0.5
    """
    width = min(one[0] + one[2] / 2, other[0] + other[2] / 2) - max(one[0] - one[2] / 2, other[0] - other[2] / 2)
    height = min(one[1] + one[3] / 2, other[1] + other[3] / 2) - max(one[1] - one[3] / 2, other[1] - other[3] / 2)
    both = max(0.0, width) * max(0.0, height)
    return round(both / (one[2] * one[3] + other[2] * other[3] - both), 6)


def _box(values: Sequence[float]) -> Box:
    return values[1], values[2], values[3], values[4]
