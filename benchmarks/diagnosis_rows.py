"""Rows that `diagnosis.py` judges: its own trainings, replayed ones, and which of them count as healthy."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.diagnosis_plan import SAMPLE

METRIC: Final = "val/map50_95"
HEALTHY_SHARE: Final = 0.7
"""Best mAP50-95 of a training without planted fault, as a share of the best on the same data, from which it
is healthy."""
REPLAYED: Final = "replayed"
"""Start of trainings that `detector_curves.py` recorded."""
JUDGED_FROM: Final = 9
"""Rules were changed with rows of lower seeds in view, of both halves; trainings made afterwards judge them."""
Row = dict[str, Any]


def read(rows: Path) -> list[Row]:
    """Return the rows that were written whole."""
    text = rows.read_text(encoding="utf-8") if rows.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def replayed(folder: Path) -> list[Row]:
    """Return the trainings of `detector_curves.py` as rows without planted fault.

    They are of more data sets and a larger model, but have losses and metrics only. Each half has every configuration
    in half of the tasks; the plain `yolo train` of a task, trained with several seeds, has its seed. A configuration
    that the collector has reached in tasks of one half only is left out.
    """
    found: list[Row] = []
    for place, path in enumerate(sorted(folder.glob("*.jsonl"))):
        for line in read(path):
            number = line["configuration"]
            found.append({
                "fault": "", "strength": f"configuration {number}",
                "seed": line["seed"] if number == 0 else place + (number + 1) // 2, "data": line["task"],
                "start": REPLAYED, "epochs": line["epochs"], "settings": line["params"], "end": "",
                "changed": line["changed"], "instances": {"train": {}}, "curves": line["curve"], "details": {},
            })  # fmt: skip
    halves = {(row["strength"], _judges(row)) for row in found}
    return [row for row in found if {(row["strength"], False), (row["strength"], True)} <= halves]


def of_half(rows: Sequence[Row], half: int) -> list[Row]:
    """Return the rows that judge the rules (1), of odd seeds from `JUDGED_FROM` on, or those they were made with (0).

    Of replayed trainings, on which nothing depends but false alarms, those of odd seeds judge.
    """
    return [row for row in rows if _judges(row) == bool(half)]


def _judges(row: Row) -> bool:
    return bool(row["seed"] % 2 and (row["start"] == REPLAYED or row["seed"] >= JUDGED_FROM))


def best(row: Row) -> float:
    """Return the best mAP50-95 of a training."""
    return max((value for value in row["curves"].get(METRIC, []) if value is not None), default=0.0)


def judged_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows without those that have neither a planted fault nor are healthy.

    Healthy is decided by the outcome alone, not by the diagnosis: a training without planted fault whose best mAP50-95
    is at least `HEALTHY_SHARE` of the best that a training on the same data reached, of whatever model and size.
    """
    tops: dict[str, float] = {}
    for row in rows:
        if not row["fault"]:
            tops[data_of(row)] = max(tops.get(data_of(row), 0.0), best(row))
    return [row for row in rows if row["fault"] or best(row) >= HEALTHY_SHARE * tops[data_of(row)] > 0]


def data_of(row: Row) -> str:
    """Return what trainings have in common whose outcomes can be compared; the sample is drawn here with fewer images.

    >>> data_of({"data": "micro-bolts", "start": REPLAYED}), data_of({"data": "sample", "start": "micro"})
    ('bolts', 'sample, drawn')
    """
    drawn = row["data"] == SAMPLE and row["start"] != REPLAYED
    return f"{SAMPLE}, drawn" if drawn else str(row["data"]).removeprefix("micro-")
