"""Reads and writes `curves.csv`, a trial's metrics by epoch."""

import csv
import io
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from automl.storage import files
from automl.storage.layout import CURVES
from automl.study import Measurement


def read_curves(folder: Path) -> tuple[Measurement, ...]:
    """Return a trial's measurements from its file; an empty cell is a metric that the epoch does not have."""
    path = folder / CURVES
    if not path.is_file():
        return ()
    with path.open(newline="") as file:
        return tuple(_measurement(row) for row in csv.DictReader(file))


def write_curves(folder: Path, curves: Sequence[Measurement]) -> None:
    """Write `curves.csv` atomically, one row per epoch; a metric that an epoch does not have is an empty cell."""
    text = io.StringIO(newline="")
    fullest_first = sorted((measurement.metrics for measurement in curves), key=len, reverse=True)
    optional = ["changed"] if any(measurement.changed for measurement in curves) else []
    names = [*dict.fromkeys(chain.from_iterable(fullest_first))]
    writer = csv.DictWriter(text, ["epoch", "seconds", *names, *optional], extrasaction="ignore")
    writer.writeheader()
    for m in curves:
        writer.writerow({"epoch": m.epoch, "seconds": m.seconds, **m.metrics, "changed": m.changed})
    files.write_text(folder / CURVES, text.getvalue())


def _measurement(row: dict[str, str]) -> Measurement:
    epoch, seconds, changed = int(row.pop("epoch")), float(row.pop("seconds")), row.pop("changed", "")
    metrics = {name: float(value) for name, value in row.items() if value}
    return Measurement(epoch, metrics, seconds, changed)
