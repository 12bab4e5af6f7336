"""Reads and writes `curves.csv`, a training's metrics by epoch, with a checksum in its last column.

The checksum is that of the file without this column, the same in each row: part of the file, so that both are replaced
by one rename, and a copy of the file keeps it. Files of earlier versions have no such column and are read as they are.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Any, Final

from automl.storage import files, records
from automl.storage.layout import CURVES
from automl.study import Measurement

REMEDY: Final = "a resumed study sets it aside and makes it again"
FIRST: Final = ["epoch", "seconds"]


def read_curves(folder: Path) -> tuple[Measurement, ...]:
    """Return a training's measurements from its file; an empty cell is a metric that the epoch does not have.

    Raises:
        RecordError: the file is damaged.
    """
    path = folder / CURVES
    if not path.exists():
        return ()
    with records.reading(path, kind="the curves of a training", remedy=REMEDY):
        text = records.read_bytes(path).decode("utf-8")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
        if not rows[1:]:
            raise ValueError("it has no epoch")
        return tuple(_measurements(*_unsealed(rows, text)))


def write_curves(folder: Path, curves: Sequence[Measurement]) -> None:
    """Write `curves.csv` atomically, one row per epoch; a metric that an epoch does not have is an empty cell."""
    fullest_first = sorted((measurement.metrics for measurement in curves), key=len, reverse=True)
    names = [*dict.fromkeys(chain.from_iterable(fullest_first))]
    optional = ["changed"] if any(measurement.changed for measurement in curves) else []
    rows: list[list[Any]] = [[*FIRST, *names, *optional]]
    for m in curves:
        cells = (m.metrics.get(name, "") for name in names)
        rows.append([m.epoch, m.seconds, *cells, *([m.changed] if optional else [])])
    seal = records.checksum(_text(rows).encode())
    files.write_text(
        folder / CURVES, _text([[*row, seal if number else records.SEAL] for number, row in enumerate(rows)])
    )


def _text(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _unsealed(rows: list[list[str]], text: str) -> tuple[list[str], list[list[str]]]:
    """Check the checksum, if there is one, and return the header and the rows without it.

    Raises:
        ValueError: the checksum is wrong.
    """
    if rows[0][-1:] != [records.SEAL]:
        return rows[0], rows[1:]
    head, *cells = (row[:-1] for row in rows)
    seal = records.checksum(_text([head, *cells]).encode())
    if {row[-1] for row in rows[1:]} != {seal} or _text(rows) != text:
        raise ValueError("its checksum is wrong")
    return head, cells


def _measurements(head: list[str], rows: Sequence[list[str]]) -> Iterator[Measurement]:
    """Yield the measurements of plain rows: epochs ascend, and numbers are finite."""
    if head[:2] != FIRST or len(set(head)) != len(head):
        raise ValueError(f"its columns are {head}"[: records.LONGEST])
    last = 0
    for cells in rows:
        row = dict(zip(head, cells, strict=True))
        epoch, seconds, changed = int(row.pop("epoch")), float(row.pop("seconds")), row.pop("changed", "")
        metrics = {name: float(value) for name, value in row.items() if value}
        if epoch <= last or not all(map(isfinite, (seconds, *metrics.values()))):
            raise ValueError(f"its row of epoch {epoch} is wrong")
        last = epoch
        yield Measurement(epoch, metrics, seconds, changed)
