"""How many planted faults of trainings are found with the right name, and how often a healthy one raises an alarm."""

import os

for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse
import json
import time
from pathlib import Path
from typing import Final

from benchmarks import diagnosis_plan
from benchmarks.diagnosis_plan import NANO, SAMPLE

ROWS: Final = Path(__file__).with_suffix("") / "rows.jsonl"
SEEDS: Final = 8


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


def read(rows: Path) -> list[dict[str, object]]:
    """Return the rows that were written whole."""
    text = rows.read_text(encoding="utf-8") if rows.exists() else ""
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


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


if __name__ == "__main__":
    main()
