"""Data sets as the command line, the pages and scripts use them: import, labels, the loop from the field."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from automl.data import archive, check, picture_cache
from automl.data.importing.run import Imported, import_data
from automl.data.importing.splits import Plan
from automl.data.places import resolved
from automl.data.report.collect import collect
from automl.data.report.records import DataReport
from automl.pipeline import inputs
from automl.storage.layout import DATA_SETS, DATA_YAML, FIELD, RUNS, SPEC
from automl.storage.place import read_spec
from automl.study.errors import AutomlError, DataError
from automl.study.yaml_io import read_yaml
from automl.tracking import data_report
from automl.tracking.report.language import Language

ROOTS: Final = "AUTOML_WEB_DATA"
"""Environment variable: further folders of the server whose data sets a page may import, separated as in PATH."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


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


def report_on(data: Path, page: Path, *, imgsz: int = 640, language: Language = Language.EN) -> DataReport | None:
    """Check a data set, write the page of its report in a language, and return the report; None where there is none.

    Raises:
        DataError: the data set cannot be used for training.
    """
    source, raw = archive.described(data.absolute(), unpacked=data)
    splits = tuple(split for split in ("train", "val", "test") if raw.get(split))
    found = collect(check.check(source, raw, splits=splits, cache=picture_cache.default_folder()), imgsz=imgsz)
    if found:
        page.parent.mkdir(parents=True, exist_ok=True)
        data_report.write(found, page, language=language)
    return found


def inside(path: Path, roots: Sequence[Path]) -> Path:
    """Return a path, resolved, if it is below one of the allowed folders.

    Raises:
        DataError: it leads elsewhere.
    """
    place = resolved(path.expanduser().absolute())
    if not any(place.is_relative_to(resolved(root)) for root in roots):
        listed = ", ".join(map(str, roots))
        raise DataError(f"{path}: must be below an allowed folder ({listed}), but is not")
    return place


def listed(storage: Path) -> list[Path]:
    """Return the `data.yaml` of the data sets of a storage: imported ones, then versions with pictures of the field."""
    found = [*sorted((storage / DATA_SETS).glob(f"*/{DATA_YAML}")), *sorted((storage / FIELD).glob(f"*/*/{DATA_YAML}"))]
    return [path for path in found if path.is_file()]


def target(storage: Path, name: str) -> Path:
    """Return the folder for a new data set of a name.

    Raises:
        DataError: the name cannot be a folder's.
    """
    if not NAME.fullmatch(name):
        raise DataError(f"the name must be 1 to 64 letters, digits, '.', '_' or '-', but got {name[:64]!r}")
    return storage / DATA_SETS / name


def allowed_roots(storage: Path) -> tuple[Path, ...]:
    """Return the folders below which a page may read: the storage, and those of $AUTOML_WEB_DATA."""
    given = os.environ.get(ROOTS, "")
    return (storage, *(Path(text).expanduser() for text in given.split(os.pathsep) if text))


def keys(storage: Path) -> dict[str, Path]:
    """Return the data sets whose labels a page may change: key to `data.yaml`.

    Those of the storage by their folder, such as `data/parts`; those of studies as `runs/<study>`.
    """
    found = {source.parent.relative_to(storage).as_posix(): source for source in listed(storage)}
    taken = {resolved(source) for source in found.values()}
    for folder, source in _studies(storage):
        if source.suffix.lower() in {".yaml", ".yml"} and source.is_file() and resolved(source) not in taken:
            found[f"{RUNS}/{folder.name}"] = source
    return found


def trained_on(storage: Path, source: Path) -> list[Path]:
    """Return the folders of the studies of a storage that train on a `data.yaml`, the last begun first."""
    wanted = resolved(source)
    found = [folder for folder, data in _studies(storage) if resolved(data) == wanted]
    return sorted(found, key=lambda folder: (folder / SPEC).stat().st_mtime, reverse=True)


def _studies(storage: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the folder of each study and what it trains on, without damaged ones, which the list of studies names."""
    for path in sorted((storage / RUNS).glob(f"*/{SPEC}")):
        try:
            source = inputs.source_of(read_spec(path.parent).data, path.parent)
        except AutomlError:
            continue
        yield path.parent, source
