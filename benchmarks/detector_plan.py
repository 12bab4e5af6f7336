"""What `detector_curves.py` trains: tasks (a data set, start weights, a size) and configurations, the same on all.

Configuration 0 is a plain `yolo train`, resolved for the data set. The others follow a scrambled Sobol sequence: those
of odd number lie anywhere in the space, those of even number near the default.
"""

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from scipy.stats import qmc

from automl.data import check, sample, staging
from automl.data.record import DataSet
from automl.study import Params, yaml_io
from automl.trainers import yolo

ROOT: Final = Path(__file__).resolve().parents[1]
MICRO: Final = ROOT / "search_spaces" / "models" / "micro.yaml"
CONFIGURATIONS: Final = 65
REPEATS: Final = 5
"""Seeds of the default, for the noise."""
SPREAD: Final = 8
"""After so many configurations, the default is trained once more."""
NEAR: Final = 0.25
"""Width of the space near the default, as a share of each range."""
OPTIMIZERS: Final = ("AdamW", "MuSGD", "SGD")
RATES: Final = {"AdamW": (1e-4, 1e-2, 1.43e-3), "MuSGD": (1e-3, 1e-1, 1e-2), "SGD": (1e-3, 1e-1, 1e-2)}
"""Of `lr0`, by optimizer: lowest, highest and default. `auto` takes 0.00143 with AdamW for three classes."""
CHOICES: Final[dict[str, tuple[Any, ...]]] = {"optimizer": OPTIMIZERS, "freeze": (0, 4, 11, 22)}
"""The first is the default. Of YOLO11's layers 0 to 10 are the backbone, 11 to 22 the neck."""
RANGES: Final = {
    "momentum": (0.7, 0.98, 0.9),
    "warmup_epochs": (0.0, 5.0, 3.0),
    "mosaic": (0.0, 1.0, 1.0),
    "mixup": (-0.5, 0.5, 0.0),
    "scale": (0.0, 0.9, 0.5),
    "translate": (0.0, 0.3, 0.1),
    "hsv_v": (0.0, 0.8, 0.4),
    "closed": (0.0, 0.7, 0.1),
}
"""Lowest, highest and default. Below 0 means 0. `closed` is the share of epochs without mosaic: 10 of 100."""
LOGARITHMIC: Final = {
    "weight_decay": (5e-6, 5e-2, 5e-4),
    "box": (1.5, 37.5, 7.5),
    "cls": (0.1, 2.5, 0.5),
}
NAMES: Final = (*CHOICES, "lr0", *RANGES, *LOGARITHMIC)
CPU: Final = {"imgsz": 128, "epochs": 12, "batch": 8}
GPU: Final = {"imgsz": 320, "epochs": 30, "batch": 16}
FROM_SCRATCH: Final = 5 / 3
"""How many times as many epochs a model trains from scratch: nothing is learned in the first ones."""


@dataclass(frozen=True, slots=True)
class Task:
    """A data set, what is trained on it, and at which size."""

    name: str
    data: str
    """The data set's name; where there is no `source`, a variant of the sample."""
    source: Path | None
    """The `data.yaml`."""
    model: Path
    imgsz: int
    epochs: int
    batch: int

    @property
    def scratch(self) -> bool:
        """Return True if the model starts from random weights."""
        return self.model.suffix != ".pt"


@dataclass(frozen=True, slots=True)
class Training:
    """One configuration with one seed."""

    configuration: int
    seed: int


def tasks_of(data: Sequence[Path], weights: Path, *, gpu: bool) -> list[Task]:
    """Return the tasks: each data set and each variant of the sample fine-tuned, and two of them from scratch."""
    size, tag = (GPU, "@320px") if gpu else (CPU, "")
    sources: dict[str, Path | None] = {path.parent.name: path for path in data} | dict.fromkeys(VARIANTS)
    tuned = [Task(f"{name}{tag}", name, source, weights, **size) for name, source in sources.items()]
    longer = {**size, "epochs": round(size["epochs"] * FROM_SCRATCH)}
    chosen = [*[path.parent.name for path in data[:1]], next(iter(VARIANTS))]
    return [*tuned, *(Task(f"micro-{name}{tag}", name, sources[name], MICRO, **longer) for name in chosen)]


def trainings(count: int = CONFIGURATIONS) -> list[Training]:
    """Return the trainings of a task in their order; the default comes again and again, each time with another seed.

    >>> trainings(3)[:3]
    [Training(configuration=0, seed=0), Training(configuration=1, seed=1), Training(configuration=2, seed=2)]
    """
    found = [Training(0, 0)]
    for number in range(1, count):
        found.append(Training(number, number))
        if number % SPREAD == 0 and number // SPREAD < REPEATS:
            found.append(Training(0, number // SPREAD))
    present = {training.seed for training in found if not training.configuration}
    return [*found, *(Training(0, seed) for seed in range(REPEATS) if seed not in present)]


def points() -> list[dict[str, Any]]:
    """Return the configurations from number 1 on, as places in the space."""
    unit = qmc.Sobol(len(NAMES), scramble=True, seed=17).random(CONFIGURATIONS - 1).tolist()
    half = len(unit) // 2  # not every second point: those fill one half of a range only
    pairs = zip(unit[:half], unit[half:], strict=True)
    return [values for far, near in pairs for values in (placed(far, near=False), placed(near, near=True))]


def placed(row: Sequence[float], *, near: bool) -> dict[str, Any]:
    """Return a point of the unit cube as values of the parameters."""
    values: dict[str, Any] = {}
    for name, at in zip(NAMES, row, strict=True):
        if name in CHOICES:
            values[name] = chosen(CHOICES[name], at, near=near)
        elif name in RANGES:
            low, high, default = RANGES[name]
            values[name] = round(max(0.0, low + (high - low) * close(at, (default - low) / (high - low), near=near)), 4)
        else:
            low, high, default = RATES[values["optimizer"]] if name == "lr0" else LOGARITHMIC[name]
            share = close(at, log(default / low) / log(high / low), near=near)
            values[name] = significant(low * (high / low) ** share)
    return values


def chosen(choices: Sequence[Any], at: float, *, near: bool) -> Any:  # noqa: ANN401
    """Return one of the choices; near the default it is the first one in seven of ten cases.

    >>> chosen("abc", 0.5, near=False), chosen("abc", 0.5, near=True), chosen("abc", 0.99, near=True)
    ('b', 'a', 'c')
    """
    if near:
        at = max(0.0, (at - 0.7) / 0.3)
    return choices[int(at * len(choices))]


def close(at: float, default: float, *, near: bool) -> float:
    """Return a place in a range from 0 to 1, near the default if asked.

    >>> close(0.5, 0.9, near=False), close(0.5, 0.9, near=True), close(1.0, 0.9, near=True)
    (0.5, 0.9, 1.0)
    """
    return min(1.0, max(0.0, default + NEAR * (at - 0.5))) if near else at


def significant(value: float) -> float:
    """Return a number with three digits.

    >>> significant(0.00123456)
    0.00123
    """
    return float(f"{value:.3g}")


def params_of(task: Task, configuration: int, data: DataSet) -> Params:
    """Return what a configuration means on a task: explicit hyperparameters, as Ultralytics takes them.

    No layer is frozen where the start weights are random, and the warm-up of biases starts at 0 in all, as with
    `optimizer=auto`.
    """
    if configuration == 0:
        auto = yolo.resolve_auto(
            images=len(data.images["train"]), classes=len(data.names), epochs=task.epochs, batch=task.batch
        )
        explicit = {**yolo.plain_hyperparameters(), **auto, "freeze": 0}
        return {name: explicit[name] for name in sorted({*NAMES, "close_mosaic", "warmup_bias_lr"} & {*explicit})}
    values = points()[configuration - 1]
    closing = round(values.pop("closed") * task.epochs)
    if task.scratch:
        values["freeze"] = 0
    return dict(sorted({**values, "close_mosaic": closing, "warmup_bias_lr": 0.0}.items()))


def prepared(task: Task, place: Path) -> DataSet:
    """Return a checked copy of a task's data set below `place`: training writes nothing beside the original.

    Raises:
        DataError: the data set has mistakes.
    """
    source = task.source or VARIANTS[task.data](place / "drawn")
    raw = yaml_io.read_yaml(source)
    splits = ("train", "val", "test") if raw.get("test") else ("train", "val")
    staged = staging.stage(check.check(source, raw, splits=splits), place / "data")
    for link in [path for path in (staged.parent / "images").rglob("*") if path.is_symlink()]:
        image = link.resolve()
        link.unlink()
        shutil.copyfile(image, link)
    return check.check(staged, yaml_io.read_yaml(staged), splits=splits)


def plain(place: Path) -> Path:
    """Draw the sample with another seed."""
    return sample.draw(place, seed=11, splits={"train": 128, "val": 64, "test": 128})


def few(place: Path) -> Path:
    """Draw the sample with few training images."""
    return sample.draw(place, seed=12, splits={"train": 24, "val": 64, "test": 128})


def rare(place: Path) -> Path:
    """Draw the sample, and of the training images with a spot leave every tenth only."""
    data = sample.draw(place, seed=13, splits={"train": 240, "val": 64, "test": 128})
    spot = str(sample.NAMES.index("spot"))
    labels = sorted((place / "labels" / "train").glob("*.txt"))
    holding = [path for path in labels if any(line.split()[0] == spot for line in path.read_text().splitlines())]
    for number, path in enumerate(holding):
        if number % 10:
            path.unlink()
            (place / "images" / "train" / f"{path.stem}.jpg").unlink()
    return data


def small(place: Path) -> Path:
    """Draw the sample with four scenes in an image of the same size: all objects are half as large."""
    counts = {"train": 96, "val": 48, "test": 96}
    for position, (split, count) in enumerate(counts.items()):
        for index in range(count):
            parts = [sample.scene(np.random.default_rng([14, position, index, part])) for part in range(4)]
            rows = [np.hstack([picture for picture, _ in parts[at : at + 2]]) for at in (0, 2)]
            lines = [
                sample.label_line(kind, shifted(box, part))
                for part, (_, boxes) in enumerate(parts)
                for kind, box in boxes
            ]
            image = place / "images" / split / f"{index:04d}.jpg"
            label = place / "labels" / split / f"{index:04d}.txt"
            for path in (image, label):
                path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(image), cv2.resize(np.vstack(rows), (sample.SIZE,) * 2, interpolation=cv2.INTER_AREA))
            label.write_text("".join(lines))
    names = "".join(f"  {number}: {name}\n" for number, name in enumerate(sample.NAMES))
    data = place / "data.yaml"
    data.write_text("".join(f"{split}: images/{split}\n" for split in counts) + f"names:\n{names}")
    return data


def shifted(box: sample.Box, part: int) -> Any:  # noqa: ANN401
    """Return a box of one of four scenes in the picture that holds them all at half their size.

    >>> shifted((0, 0, 64, 32), 3)
    (64.0, 64.0, 96.0, 80.0)
    """
    x, y = (part % 2) * sample.SIZE, (part // 2) * sample.SIZE
    return (box[0] + x) / 2, (box[1] + y) / 2, (box[2] + x) / 2, (box[3] + y) / 2


def noisy(place: Path) -> Path:
    """Draw the sample with wrong training labels: a tenth of the boxes is missing, a fifth has another class."""
    data = sample.draw(place, seed=15, splits={"train": 128, "val": 64, "test": 128})
    rng = random.Random(15)
    for path in sorted((place / "labels" / "train").glob("*.txt")):
        lines = []
        for line in path.read_text().splitlines():
            kind, box = line.split(maxsplit=1)
            luck = rng.random()
            if luck < 0.3:
                kind = str((int(kind) + rng.randint(1, 2)) % len(sample.NAMES))
            if luck >= 0.1:
                lines.append(f"{kind} {box}\n")
        path.write_text("".join(lines))
    return data


VARIANTS: Final = {
    "sample": plain,
    "sample-few": few,
    "sample-rare": rare,
    "sample-small": small,
    "sample-noisy": noisy,
}
