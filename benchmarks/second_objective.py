"""What a search with a second objective finds at each cost, against a search of the metric alone, in virtual time.

Each task has models of different cost. Three searches with the project's sampler and scheduler and equal time:
`second` minimises the cost beside the metric; `single` knows the metric alone; `apart` is one search for each model
with an equal share of the time. Of each: the best value found among models that cost at most as much as each model,
subtracted from the best in the table (regret; its mean over all costs, and that at the highest cost, which is the
metric alone), and how much compute `second` needs for the mean that another search ends with, as a ratio: the compute
of that one over its own.

    python benchmarks/second_objective.py --data DIR        # or AUTOML_BENCH_DATA=DIR

Quick-Tune's tables, where the cost is the median seconds of an epoch, and synthetic tasks; without the tables these
alone. Prints one JSON object on the last line.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.study import Answer, Params
from benchmarks import tables, virtual
from benchmarks.constrained import MODEL, STARTUP, WORKERS, only, synthetic, tabulated
from benchmarks.ours import Ours, Start
from benchmarks.tables import Task

TRAININGS: Final = {"synthetic": 10.0, "quicktune": 2.5}
"""Whole trainings a worker."""
DRAWS: Final = 1000
SEARCHES: Final = ("second", "single", "apart")


@dataclass
class Followed:
    """A search that notes the best value of each model after each epoch."""

    inner: Ours
    costs: Mapping[str, float]
    best: dict[str, float] = field(default_factory=dict)
    spent: float = 0.0
    trace: list[tuple[float, float]] = field(default_factory=list)
    """Compute, and mean over all costs of the best value at no more than it."""

    def next(self) -> tuple[int, Params] | None:
        """Return the next trial."""
        return self.inner.next()

    def told(self, number: int, params: Params) -> None:
        """Record the params of a new trial."""
        self.inner.told(number, params)

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        """Record an epoch."""
        model = str(self.inner.trials[number].params[MODEL])
        self.spent += seconds
        if value > self.best.get(model, 0.0):
            self.best[model] = value
            self.trace.append((self.spent, float(np.mean(front(self.best, self.costs)))))
        return self.inner.measured(number, epoch=epoch, value=value, seconds=seconds)

    def ended(self, number: int) -> None:
        """Record that a trial has ended."""
        self.inner.ended(number)


def front(best: Mapping[str, float], costs: Mapping[str, float]) -> list[float]:
    """Return the best value at no more than the cost of each model, cheapest first.

    >>> front({"a": 0.2, "b": 0.1}, {"a": 1.0, "b": 2.0})
    [0.2, 0.2]
    """
    found = [best.get(name, 0.0) for name in sorted(costs, key=lambda name: costs[name])]
    return [float(value) for value in np.maximum.accumulate(found)]


def searched(task: Task, costs: Mapping[str, float], search: str, *, seed: int, budget: float) -> Followed:
    """Run a search for a time and return it."""
    dearest = sorted(costs, key=lambda name: -costs[name])
    start = Start()
    if search == "second":
        start = Start(allowed=tuple({MODEL: name} for name in dearest), costs=tuple(costs[name] for name in dearest))
    found = Followed(Ours(task, seed=seed, start=start), costs)
    virtual.run(found, task, workers=WORKERS, budget=budget, startup=STARTUP * task.epoch)
    return found


def of_task(task: Task, costs: Mapping[str, float], *, seed: int, trainings: float) -> dict[str, Any]:
    """Return the regrets of each search, and the compute ratios of `second`."""
    budget = trainings * task.epoch * task.max_epochs
    runs = {name: searched(task, costs, name, seed=seed, budget=budget) for name in ("second", "single")}
    best = {name: run.best for name, run in runs.items()} | {"apart": {}}
    for name in costs:
        alone = searched(only(task, [name], space=True), costs, "apart", seed=seed, budget=budget / len(costs))
        best["apart"] |= alone.best
    top = front(_tops(task), costs)
    found: dict[str, Any] = {}
    for name, values in best.items():
        lost = np.array(top) - front(values, costs)
        found[name] = {"mean": float(lost.mean()), "dearest": float(lost[-1]), "models": len(values)}
    ends = {name: float(np.mean(front(best[name], costs))) for name in ("single", "apart")}
    return {
        "regret": found,
        "compute": {name: _ratio(runs["second"], end, runs["single"]) for name, end in ends.items()},
    }


def _tops(task: Task) -> dict[str, float]:
    found: dict[str, float] = {}
    for params, values in zip(task.params, task.values, strict=True):
        name = str(params[MODEL])
        found[name] = max(found.get(name, 0.0), float(np.max(values)))
    return found


def _ratio(second: Followed, end: float, other: Followed) -> tuple[float, float]:
    """Return the compute of the other search, and that of `second` until its mean; all of it if never reached."""
    reached = next((spent for spent, value in second.trace if value >= end), second.spent)
    return other.spent, reached


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return means over the studies, with 90% intervals by bootstrap over studies."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(found), size=(DRAWS, len(found)))
    regrets = {
        search: {
            name: _interval(np.array([one["regret"][search][name] for one in found])[drawn].mean(axis=1))
            for name in ("mean", "dearest", "models")
        }
        for search in SEARCHES
    }
    ratios = {}
    for search in ("single", "apart"):
        pairs = np.array([one["compute"][search] for one in found])[drawn].sum(axis=1)
        ratios[search] = _interval(pairs[:, 0] / pairs[:, 1])
    return {"studies": len(found), "regret": regrets, "compute_ratio": ratios}


def _interval(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in (values.mean(), *np.quantile(values, [0.05, 0.95]))]


def main() -> None:
    """Run the searches, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help=f"folder of the tables; else ${tables.ENVIRONMENT}; else synthetic tasks only")
    parser.add_argument("--families", nargs="+", default=[*TRAININGS])
    parser.add_argument("--tasks", type=int, default=6, help="tasks of each family")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of each task")
    options = parser.parse_args()
    place = tables.folder(options.data)
    families = {"synthetic": [synthetic(number) for number in range(options.tasks)]}
    if place and "quicktune" in options.families:
        known = tables.open_to_all(tables.families(place)["quicktune"])[: options.tasks]
        families["quicktune"] = [tabulated(task) for task in known]
    found: dict[str, Any] = {}
    for family, tasks in families.items():
        if family not in options.families:
            continue
        runs = []
        for task, costs in tasks:
            for seed in range(options.seeds):
                runs.append(of_task(task, costs, seed=seed, trainings=TRAININGS[family]))
                means = {name: round(one["mean"], 4) for name, one in runs[-1]["regret"].items()}
                print(family, task.name, seed, means, flush=True)
        found[family] = summary(runs)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
