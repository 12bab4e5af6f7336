"""Chooses params that are good on many data sets, greedily, from the tables of `detector_curves.py`.

    python benchmarks/portfolio.py [--members 8] [--write]

Prints, for portfolios of each size, the regret on a task that they were not chosen on (0: the table's best row, 1: its
median), beside as many random rows and the default alone. `--write` makes `search_spaces/portfolio.yaml` of all tasks.
The last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.hpo.portfolio import CLOSED, FILE
from automl.storage.files import write_bytes
from automl.study import Params, yaml_io
from benchmarks import detector_tasks
from benchmarks.detector_plan import ROOT
from benchmarks.detector_rows import read_rows
from benchmarks.detector_tasks import SmoothTask
from benchmarks.real_trainings import commit
from benchmarks.tables import Matrix, Task

DRAWS: Final = 2000
DIGITS: Final = 4
STEPS: Final = (1, 2, 4, 8)
HEADER: Final = (
    "# Params of configurations that were good on other data sets; `portfolio: N` in a description tries the first N.\n"
    "# Written by benchmarks/portfolio.py; decision 41 tells what it brings.\n"
)


def regrets(scores: Sequence[Matrix]) -> Matrix:
    """Return (configurations, tasks): 0 for a task's best, 1 for its median and worse; NaN where a task lacks one."""
    found = np.full((max(map(len, scores)), len(scores)), nan)
    for task, values in enumerate(scores):
        top, middle = np.nanmax(values), np.nanmedian(values)
        found[: len(values), task] = np.clip((top - values) / max(top - middle, 1e-9), 0, 1)
    return found


def greedy(regret: Matrix, count: int) -> list[int]:
    """Return configurations, each the one that lowers the mean over tasks of the best regret so far the most.

    >>> greedy(np.array([[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]]), 3)
    [0, 1, 2]
    """
    known = np.where(np.isnan(regret), 1.0, regret)
    chosen: list[int] = []
    best = np.ones(known.shape[1])
    for _ in range(min(count, len(known))):
        costs = np.minimum(known, best).mean(axis=1) + 1e-6 * known.mean(axis=1)
        costs[chosen] = np.inf
        chosen.append(int(np.argmin(costs)))
        best = np.minimum(best, known[chosen[-1]])
    return chosen


def useful(regret: Matrix, chosen: Sequence[int]) -> list[int]:
    """Return the configurations up to the last one that lowers the best regret on any task."""
    known = np.where(np.isnan(regret), 1.0, regret)
    best = [float(known[list(chosen[:count])].min(axis=0).sum()) for count in range(1, len(chosen) + 1)]
    return list(chosen[: 1 + int(np.argmin(best))])


def teachers(task: SmoothTask, every: Sequence[Task]) -> list[SmoothTask]:
    """Return the tasks of other data sets."""
    return [other for other in every if isinstance(other, SmoothTask) and other.source != task.source]


def members(task: Task, every: Sequence[Task], count: int) -> tuple[Params, ...]:
    """Return the portfolio for a task from the tables of other data sets; a negative count gives their worst params."""
    if not isinstance(task, SmoothTask):
        return ()
    regret = regrets([other.scores for other in teachers(task, every)])
    chosen = greedy(regret if count > 0 else -regret, abs(count) + 1)
    rows = detector_tasks.configurations()
    return tuple(rows[number] for number in chosen if number)[: abs(count)]


def left_out(every: Sequence[SmoothTask], size: int) -> dict[str, list[float]]:
    """Return the regret on each task of its portfolio (with the default), of random rows, and of the default."""
    found: dict[str, list[float]] = {}
    for task in every:
        own = regrets([task.scores])[:, 0]
        chosen = greedy(regrets([other.scores for other in teachers(task, every)]), size)
        ours = np.nanmin([*(own[number] for number in chosen if number < len(own)), 1.0])
        there = own[~np.isnan(own)]
        generator = np.random.default_rng(0)
        drawn = [generator.permutation(there)[:size].min() for _ in range(DRAWS)]
        found[task.name] = [round(float(value), 3) for value in (ours, np.mean(drawn), own[0])]
    return found


def shipped(every: Sequence[SmoothTask], count: int) -> str:
    """Return the file of the portfolio chosen on all tasks."""
    regret = regrets([task.scores for task in every])
    chosen = [number for number in useful(regret, greedy(regret, count + 1)) if number][:count]
    rows = {row["configuration"]: row for path in detector_tasks.TABLES.glob("*.jsonl") for row in read_rows(path)}
    listed = []
    for number in chosen:
        params = dict(rows[number]["params"])
        params[CLOSED] = params.pop("close_mosaic") / rows[number]["epochs"]
        params.pop("warmup_bias_lr", None)
        listed.append({name: rounded(value) for name, value in sorted(params.items())})
    origin = {
        "tasks": [task.name for task in every],
        "rows": int(sum((~np.isnan(task.scores)).sum() for task in every)),
        "commit": commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "chosen": "greedily by the mean over tasks of the best val mAP50-95 so far, as regret within the task",
    }
    return HEADER + yaml_io.dump_yaml({"origin": origin, "members": listed})


def rounded(value: object) -> object:
    """Return a value short enough to be read."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=8, help="of the file")
    parser.add_argument("--write", action="store_true", help="make search_spaces/portfolio.yaml")
    options = parser.parse_args()
    every = [task for task in detector_tasks.tasks() if isinstance(task, SmoothTask)]
    print("regret on a task left out: portfolio, as many random rows, the default alone")
    answer = {}
    for size in STEPS:
        found = left_out(every, size)
        print(size, found)
        means = np.mean(list(found.values()), axis=0)
        names = ("portfolio", "random", "default")
        answer[str(size)] = {name: round(float(value), 3) for name, value in zip(names, means, strict=True)}
    if options.write:
        write_bytes(ROOT / "search_spaces" / FILE, shipped(every, options.members).encode())
    explained = {task.name: round(task.response.explained, 2) for task in every}
    print(json.dumps({"tasks": len(every), "regret": answer, "explained": explained}))


if __name__ == "__main__":
    main()
