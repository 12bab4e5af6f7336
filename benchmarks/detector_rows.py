"""The table of `detector_curves.py`: one JSON line a training in one file a task, and what it says.

Several processes and a kill at any moment are expected: a line is appended under a lock, a half one at the end of a
file is dropped, and a training belongs to the process that holds its claim.
"""

import fcntl
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from statistics import fmean, variance
from typing import IO, Any, Final

from scipy.stats import spearmanr

from automl.storage import files
from benchmarks.detector_plan import Training
from benchmarks.real_sides import BenchmarkError

Row = dict[str, Any]
METRIC: Final = "val/map50_95"
CLAIMS: Final = ".claims"
LOOKS: Final = (1, 2, 3, 6)
"""Epochs whose rank correlation with the end is told."""
FEWEST: Final = 5
"""Trainings of a task below which a rank correlation says nothing."""


def path_of(out: Path, task: str) -> Path:
    """Return the file of a task."""
    return out / f"{task}.jsonl"


def whole_lines(content: bytes) -> bytes:
    r"""Return the content up to its last line that was written whole.

    >>> whole_lines(b"{}\n{}\n{")
    b'{}\n{}\n'
    """
    return content[: content.rfind(b"\n") + 1]


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a task's file.

    Raises:
        BenchmarkError: a line that was written whole is damaged.
    """
    lines = whole_lines(path.read_bytes() if path.exists() else b"").decode().splitlines()
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise BenchmarkError(f"{path}: must hold a JSON object in each line, but {error}; mend or move it") from None


def add_row(out: Path, row: Mapping[str, Any]) -> None:
    """Append a row to its task's file; what a killed process left half written there is cut off."""
    line = json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"
    path = path_of(out, row["task"])
    with _locked(out / CLAIMS / f"{row['task']}.append", wait=True):
        end = len(whole_lines(path.read_bytes())) if path.exists() else 0
        files.append(path, line.encode(), end=end)


def done(out: Path, task: str) -> set[Training]:
    """Return the trainings of a task that have a row."""
    return {Training(row["configuration"], row["seed"]) for row in read_rows(path_of(out, task))}


@contextmanager
def claimed(out: Path, task: str, training: Training) -> Iterator[bool]:
    """Claim a training for the length of a block; False where another process has it or it has a row.

    The claim is a lock, so it is free again when the process ends, however it ends.
    """
    name = out / CLAIMS / f"{task}.{training.configuration}.{training.seed}"
    with _locked(name, wait=False) as mine:
        free = mine and training not in done(out, task)
        yield free
        if free and training in done(out, task):
            name.unlink()


def conflict(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return how a row differs from what would be trained now, empty if it does not.

    >>> conflict({"epochs": 12, "seed": 0}, {"epochs": 20})
    'epochs: 12, now 20'
    """
    return "; ".join(f"{key}: {row.get(key)}, now {value}" for key, value in wanted.items() if row.get(key) != value)


def summary(tables: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Return what the tables say: rank correlation of early epochs with the end, and the noise of a seed alone.

    Rank correlation (Spearman, of the best mAP50-95 so far) is the mean over tasks; noise is the standard deviation of
    the end over the default's seeds, root mean square over tasks.
    """
    by_epoch: dict[int, list[float]] = defaultdict(list)
    for rows in tables.values():
        for epoch, value in correlations(rows).items():
            by_epoch[epoch].append(value)
    spreads = [spread for rows in tables.values() if (spread := variance_of_default(rows)) is not None]
    return {
        "tasks": sum(bool(rows) for rows in tables.values()),
        "rows": sum(map(len, tables.values())),
        "rank_correlation": {
            str(epoch): round(fmean(by_epoch[epoch]), 3) if by_epoch[epoch] else None for epoch in LOOKS
        },
        "noise": round(fmean(spreads) ** 0.5, 4) if spreads else None,
    }


def correlations(rows: Sequence[Row]) -> dict[int, float]:
    """Return the rank correlation of each early epoch with the end, over a task's configurations; one seed of each."""
    ordered = sorted((row for row in rows if not row["cause"]), key=lambda row: (row["configuration"], row["seed"]))
    firsts = [next(group) for _, group in groupby(ordered, key=lambda row: row["configuration"])]
    curves = [row["curve"][METRIC] for row in firsts]
    ends = [max(curve) for curve in curves]
    if len(curves) < FEWEST or len(set(ends)) == 1:
        return {}
    found = {}
    for epoch in LOOKS:
        seen = [max(curve[:epoch]) for curve in curves]
        found[epoch] = float(spearmanr(seen, ends).statistic) if len(set(seen)) > 1 else 0.0
    return found


def variance_of_default(rows: Sequence[Row]) -> float | None:
    """Return the variance of the end over the default's seeds, None with fewer than two."""
    ends = [max(row["curve"][METRIC]) for row in rows if row["configuration"] == 0 and not row["cause"]]
    return variance(ends) if len(ends) > 1 else None


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[bool]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        yield _lock(file, wait=wait)


def _lock(file: IO[str], *, wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
