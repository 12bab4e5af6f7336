"""How many planted faults of trainings are found with the right name, and how often a healthy one raises an alarm."""

import os

for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from automl.study import EndReason
from automl.tracking.diagnosis import training_rules
from automl.tracking.diagnosis.record import TrainingRecord
from automl.trainers import yolo
from benchmarks import diagnosis_plan
from benchmarks.diagnosis_plan import NANO, SAMPLE

ROWS: Final = Path(__file__).with_suffix("") / "rows.jsonl"
REPLAYED: Final = Path(__file__).with_name("detector-curves")
SEEDS: Final = 8
NOT_FINITE: Final = "not finite"
KNOWN: Final = {("sample", "class suppressed", "scratch")}
"""Data, finding and subject of what is true without a planted fault: the sample's scratches are not learned by a micro
model in few epochs. Such a finding counts neither as found nor as an alarm."""
Row = dict[str, Any]


def collect(rows: Path, scratch: Path, *, data: Path | None, weights: Path | None, hours: float) -> None:
    """Train cases that have no row yet, and append their rows, until the time is over."""
    from benchmarks.diagnosis_training import row_of

    scratch.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + hours * 3600
    for case in diagnosis_plan.cases(SEEDS):
        known = {(row["fault"], row["strength"], row["seed"]) for row in read(rows)}
        lacking = (case.fault.data != SAMPLE and not data) or (case.fault.start == NANO and not weights)
        if case.key in known or lacking or time.monotonic() > end:
            continue
        began = time.monotonic()
        row = row_of(case, scratch=scratch, data=data, weights=weights)
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
        print(f"{case.key}: {time.monotonic() - began:.0f} s {row['end']}", flush=True)


def read(rows: Path) -> list[Row]:
    """Return the rows that were written whole."""
    text = rows.read_text(encoding="utf-8") if rows.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def replayed(folder: Path) -> list[Row]:
    """Return the plain `yolo train` runs of `detector_curves.py` as healthy rows, in turn of both halves.

    They are of more data sets and a larger model, but have losses and metrics only.
    """
    found: list[Row] = []
    for path in sorted(folder.glob("*.jsonl")):
        for plain in read(path):
            if plain["configuration"] == 0:
                found.append({
                    "fault": "", "strength": f"{plain['task']} of detector_curves", "seed": len(found),
                    "data": plain["task"], "epochs": plain["epochs"], "settings": plain["params"], "end": "",
                    "changed": "", "instances": {"train": {}}, "curves": plain["curve"], "details": {},
                })  # fmt: skip
    return found


def of_half(rows: Sequence[Row], half: int) -> list[Row]:
    """Return the rows of even seeds, on which thresholds were chosen, or of odd ones."""
    return [row for row in rows if row["seed"] % 2 == half]


def record_of(row: Row, defaults: Mapping[str, Any]) -> TrainingRecord:
    """Return the record of a training from its row."""
    curves = {
        tag: {epoch: value for epoch, value in enumerate(values, start=1) if value is not None}
        for tag, values in {**row["curves"], **row["details"]}.items()
    }
    return TrainingRecord(
        trial=f"{row['fault'] or 'healthy'} {row['strength']}",
        epochs=row["epochs"],
        curves=curves,
        settings={**defaults, **row["settings"]},
        instances=row["instances"]["train"],
        changed=row["changed"],
        reason=EndReason.NOT_FINITE if NOT_FINITE in row["end"] else None,
    )


def names_of(row: Row, defaults: Mapping[str, Any]) -> dict[str, int]:
    """Return the findings on a training as they appear while it runs: name to the first epoch with it."""
    record, found = record_of(row, defaults), dict[str, int]()
    for epoch in range(record.epoch + 1):
        for finding in training_rules.findings(record.until(epoch)):
            if (row["data"], finding.name, finding.subject) not in KNOWN:
                found.setdefault(finding.name, epoch)
    return found


def judged(rows: Sequence[Row], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many planted faults were found with the right name, and the share of healthy trainings with any."""
    planted = [(row["fault"], names_of(row, defaults)) for row in rows if row["fault"]]
    healthy = [names_of(row, defaults) for row in rows if not row["fault"]]
    alarms = sum(bool(found) for found in healthy)
    return {
        "faults": len({fault for fault, _ in planted}),
        "planted": len(planted),
        "found": sum(fault in found for fault, found in planted),
        "healthy": len(healthy),
        "false_alarm_rate": round(alarms / len(healthy), 3) if healthy else None,
    }


def told(rows: Sequence[Row], defaults: Mapping[str, Any]) -> None:
    """Print each row with what was found in it."""
    for row in sorted(rows, key=lambda row: (row["fault"], row["strength"], row["seed"])):
        found = names_of(row, defaults)
        right = row["fault"] in found if row["fault"] else not found
        print(f"{'' if right else 'WRONG '}{row['fault'] or 'healthy'}, {row['strength']}, seed {row['seed']}: {found}")


def main() -> None:
    """Collect, then judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--scratch", type=Path, help="folder for data and models while training")
    parser.add_argument("--data", type=Path, help="folder with the data sets bolts, bccd and screws-tiny")
    parser.add_argument("--weights", type=Path, help="pretrained weights")
    parser.add_argument("--hours", type=float, default=0.0, help="time to train; 0: only judge the rows that exist")
    given = parser.parse_args()
    if given.hours:
        collect(given.rows, given.scratch, data=given.data, weights=given.weights, hours=given.hours)
    defaults, rows = yolo.settings(), [*read(given.rows), *replayed(REPLAYED)]
    told(rows, defaults)
    for half, name in enumerate(("chosen on", "judged on")):
        print(f"{name} seeds {half}, {half + 2}, ...: {json.dumps(judged(of_half(rows, half), defaults))}")
    print(json.dumps(judged(of_half(rows, 1), defaults)))


if __name__ == "__main__":
    main()
