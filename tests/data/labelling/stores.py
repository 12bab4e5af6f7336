"""A small data set with a label store."""

from pathlib import Path

from automl.data.labelling.store import LabelStore, opened
from automl.study.yaml_io import read_yaml
from tests.builders import written
from tests.pictures import picture

YAML = "train: images/train\nval: images/val\nwaiting: images/waiting\nnames: [hole, spot]\n"
LINE = "0 0.500000 0.500000 0.200000 0.400000\n"
KEY = "images/train/a.png"


def store_in(folder: Path) -> LabelStore:
    """Write three labelled images and two that wait, and open their labels."""
    for name, labels in (("train/a", LINE), ("train/b", ""), ("val/c", LINE), ("waiting/d", None), ("waiting/e", None)):
        picture(folder / f"images/{name}.png", labels=labels)
    return again(written(folder, "data.yaml", YAML))


def again(source: Path) -> LabelStore:
    """Open the labels once more, as another process does."""
    return opened(source, read_yaml(source))
