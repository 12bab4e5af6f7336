"""Small data sets for the tests of the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.data import check as data_check
from automl.data.record import DataSet
from automl.data.report.collect import collect
from automl.data.report.records import DataReport
from tests.pictures import encoded, noise

GOOD = "0 0.5 0.5 0.2 0.2\n"
RAW: Mapping[str, Any] = {"train": "images/train", "val": "images/val", "names": {0: "hole", 1: "spot"}}


def image(root: Path, name: str, labels: str = GOOD, *, seed: int | None = None, side: int = 100) -> Path:
    """Write an image of noise, such as `train/a.png`, and its labels."""
    path = root / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(noise(sum(name.encode()) * 7 if seed is None else seed, side=side)))
    label = (root / "labels" / name).with_suffix(".txt")
    label.parent.mkdir(parents=True, exist_ok=True)
    label.write_text(labels)
    return path


def checked(root: Path, **changes: Any) -> DataSet:
    """Check the data set; a split without images gets one."""
    for split in ("train", "val"):
        if not (root / "images" / split).exists():
            image(root, f"{split}/only.png")
    return data_check.check(root / "data.yaml", {**RAW, **changes}, splits=("train", "val"))


def report(root: Path, *, imgsz: int = 100, **changes: Any) -> DataReport:
    """Return the report on the data set; its images have 100 x 100 pixels unless drawn otherwise."""
    found = collect(checked(root, **changes), imgsz=imgsz)
    if found is None:
        raise ValueError("a checked data set must have a report")
    return found
