"""Data sets as the command line, the pages and scripts use them: import, labels, the loop from the field."""

from collections.abc import Sequence
from pathlib import Path

from automl.data.importing.run import Imported, import_data
from automl.data.importing.splits import Plan
from automl.study.errors import DataError
from automl.study.yaml_io import read_yaml


def import_source(
    source: Path, out: Path, *, split: str | None = None, group: str = "", names: Sequence[str] = ()
) -> Imported:
    """Write a source in any known format as a YOLO data set into a new folder.

    Args:
        source: a folder, a `data.yaml`, a zip or tar: YOLO, COCO, Pascal VOC, CVAT or Label Studio, or images alone.
        out: a new or empty folder.
        split: percent of train, val and test, such as `70,15,15`; None keeps the splits that the source names.
        group: a regular expression; images whose names match with the same text stay in one split.
        names: the class names in their order.

    Raises:
        DataError: the source or an argument cannot be used.
    """
    plan = None if split is None and not group else Plan(_shares(split or "70,15,15"), group)
    return import_data(source, out.absolute(), plan=plan, names=names, read_yaml=read_yaml)


def _shares(text: str) -> tuple[int, int, int]:
    words = text.split(",")
    if len(words) != 3 or not all(word.strip().isdecimal() for word in words):
        raise DataError(f"--split: must be three whole numbers, percent of train, val and test, but got {text!r}")
    train, val, test = map(int, words)
    return train, val, test
