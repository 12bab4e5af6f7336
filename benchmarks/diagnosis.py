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
from benchmarks import diagnosis_plan, diagnosis_tables
from benchmarks.diagnosis_plan import NANO, SAMPLE
from benchmarks.diagnosis_rows import REPLAYED, Row, judged_rows, of_half, read, replayed

ROWS: Final = Path(__file__).with_suffix("") / "rows.jsonl"
CURVES: Final = Path(__file__).with_name("detector-curves")
SEEDS: Final = 16
NOT_FINITE: Final = "not finite"
KNOWN: Final = {("sample", "class suppressed", "scratch")}
"""Data, finding and subject of what is true without a planted fault: the sample's scratches are not learned by a micro
model in few epochs. Such a finding counts neither as found nor as an alarm."""


def collect(rows: Path, given: argparse.Namespace) -> None:
    """Train cases that have no row yet, and append their rows, until the time is over."""
    from benchmarks.diagnosis_training import row_of

    data, weights, scratch = given.data, given.weights, given.scratch
    scratch.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + given.hours * 3600
    halves = {0, 1} if given.half is None else {given.half}
    cases = (case for case in diagnosis_plan.cases(SEEDS) if case.seed % 2 in halves)
    for case in (case for case in cases if case.seed >= given.first_seed):
        known = {(row["fault"], row["strength"], row["seed"]) for row in read(rows)}
        lacking = (case.fault.data != SAMPLE and not data) or (case.fault.start == NANO and not weights)
        if case.key in known or lacking or time.monotonic() > end:
            continue
        began = time.monotonic()
        row = row_of(case, scratch=scratch, data=data, weights=weights)
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
        print(f"{case.key}: {time.monotonic() - began:.0f} s {row['end']}", flush=True)


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


def hits_of(rows: Sequence[Row], defaults: Mapping[str, Any]) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Return name and whether it was found of each planted fault, data set and whether it alarmed of each healthy."""
    found = [(row, names_of(row, defaults)) for row in rows]
    return (
        [(row["fault"], row["fault"] in names) for row, names in found if row["fault"]],
        [(f"{row['data']}, {row['start']}", bool(names)) for row, names in found if not row["fault"]],
    )


def judged(rows: Sequence[Row], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return how many planted faults were found with the right name, and the share of healthy trainings with any."""
    planted, healthy = hits_of(rows, defaults)
    alarms = sum(alarm for _, alarm in healthy)
    return {
        "faults": len({fault for fault, _ in planted}),
        "planted": len(planted),
        "found": sum(found for _, found in planted),
        "healthy": len(healthy),
        "false_alarm_rate": round(alarms / len(healthy), 3) if healthy else None,
    }


def tables_of(rows: Sequence[Row], defaults: Mapping[str, Any]) -> str:
    """Return the tables of faults and of healthy trainings, of both halves."""
    sides = zip(*(hits_of(of_half(rows, half), defaults) for half in (0, 1)), strict=True)
    heads = (("planted fault", "found"), ("data and start", "alarms"))
    return "\n\n".join(
        diagnosis_tables.table(*head, [diagnosis_tables.counted(half) for half in side])
        for head, side in zip(heads, sides, strict=True)
    )


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
    parser.add_argument("--half", type=int, choices=(0, 1), help="train even seeds (0) or odd ones (1) only")
    parser.add_argument("--tuning", action="store_true", help="look at the half only on which thresholds are chosen")
    parser.add_argument("--first-seed", type=int, default=0, help="leave out trainings of lower seeds")
    given = parser.parse_args()
    if given.hours:
        collect(given.rows, given)
    defaults, rows = yolo.settings(), [*read(given.rows), *replayed(CURVES)]
    rows = [row for row in judged_rows(rows) if row["seed"] >= given.first_seed or row["start"] == REPLAYED]
    told(of_half(rows, 0) if given.tuning else rows, defaults)
    if given.tuning:
        print(json.dumps(judged(of_half(rows, 0), defaults)))
        return
    print(tables_of(rows, defaults))
    print(f"all: {json.dumps(judged(rows, defaults))}")
    for half, name in enumerate(("made with", "judged on")):
        print(f"{name}: {json.dumps(judged(of_half(rows, half), defaults))}")
    print(json.dumps(judged(of_half(rows, 1), defaults)))


if __name__ == "__main__":
    main()
