"""What a constraint on latency costs a search: trials to the same accuracy among the models that it allows.

Each task has models of different cost, and a limit that half of them break. Three searches in virtual time, with the
project's sampler and scheduler: `constrained` has the constraint; `unconstrained` has none, and is judged by its trials
of allowed models only; `alone` searches a space that has the allowed models alone, which shows what the constraint
itself costs. Of each pair: the trials that the constrained search starts until it has reached what the other reached,
over those of the other.

    python benchmarks/constrained.py --data DIR        # or AUTOML_BENCH_DATA=DIR

Quick-Tune's tables, where the cost is the median seconds of an epoch, and synthetic tasks; without the tables these
alone. Prints a table and one JSON object on the last line.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any, Final

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.study import Answer, Params
from automl.study.space import Choice, Real, SearchSpace
from benchmarks import tables, virtual
from benchmarks.ours import Ours, Start
from benchmarks.tables import Task

MODEL: Final = "model"
MODELS: Final = 16
ROWS: Final = 1600
EPOCHS: Final = 30
WORKERS: Final = 4
TRIALS: Final = 40
STARTUP: Final = 0.2
"""Each start of a training, in mean epochs."""
DRAWS: Final = 1000
SEARCHES: Final = ("constrained", "unconstrained", "alone")


@dataclass
class Recorded:
    """A search that notes the best value among allowed models after each trial that it starts."""

    inner: Ours
    allowed: frozenset[str]
    most: int
    best: list[float] = field(default_factory=list)
    """Entry n: the best value when n + 1 trials had been started."""
    wasted: int = 0
    """Trials of models that are not allowed."""

    def next(self) -> tuple[int, Params] | None:
        """Return the next trial; none once all have been started."""
        work = self.inner.next()
        return None if work and work[0] >= self.most else work

    def told(self, number: int, params: Params) -> None:
        """Record the params of a new trial."""
        self.inner.told(number, params)
        self.best.append(self.best[-1] if self.best else 0.0)
        self.wasted += params[MODEL] not in self.allowed

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        """Record an epoch."""
        if self.inner.trials[number].params[MODEL] in self.allowed:
            self.best[-1] = max(self.best[-1], value)
        return self.inner.measured(number, epoch=epoch, value=value, seconds=seconds)

    def ended(self, number: int) -> None:
        """Record that a trial has ended."""
        self.inner.ended(number)


def synthetic(number: int) -> tuple[Task, dict[str, float]]:
    """Return a task of saturating curves, and the cost of each model: a dearer one is better, but not always."""
    rng = np.random.default_rng([7, number])
    names = tuple(f"m{index:02}" for index in range(MODELS))
    costs = dict(zip(names, np.sort(rng.lognormal(2, 0.8, MODELS)).tolist(), strict=True))
    space = SearchSpace(
        {
            MODEL: Choice(names, names[MODELS // 2]),
            "lr": Real(1e-5, 0.1, default=1e-3, log=True),
            "momentum": Real(0.5, 0.99, default=0.9),
            "augment": Real(0.0, 1.0, default=0.5),
        }
    )
    rows = np.column_stack([np.arange(ROWS) % MODELS, rng.random((ROWS, 3))])
    kinds = rows[:, 0].astype(int)
    tops = rng.uniform(0.25, 0.75, 3) + rng.normal(0, 0.1, (MODELS, 3))  # the best params differ between models
    apart = ((rows[:, 1:] - tops[kinds]) ** 2) @ rng.uniform(0.5, 4, 3)
    worth = 0.6 + 0.3 * np.arange(MODELS) / MODELS + rng.normal(0, 0.04, MODELS)
    rate = rng.uniform(0.1, 0.4) * rng.lognormal(0, 0.3, ROWS)
    values = (worth[kinds] * np.exp(-apart))[:, None] * (1 - np.exp(-rate[:, None] * np.arange(1, EPOCHS + 1)))
    values = np.clip(values + rng.normal(0, 0.008, values.shape), 0, 1)
    seconds = np.repeat(np.array([*costs.values()])[kinds][:, None], EPOCHS, axis=1)
    weights = np.array([tables.MODEL_WEIGHT, 4.0, 1.0, 1.0])
    return Task("synthetic", f"synthetic{number}", space, rows, weights, list(values), list(seconds), EPOCHS, {}), costs


def tabulated(task: Task) -> tuple[Task, dict[str, float]]:
    """Return a task of Quick-Tune, and the median seconds of an epoch of each model in its table."""
    models = [str(params[MODEL]) for params in task.params]
    seconds = np.array([np.median(row) for row in task.seconds])
    return task, {name: float(np.median(seconds[np.array(models) == name])) for name in dict.fromkeys(models)}


def only(task: Task, allowed: Sequence[str], *, space: bool) -> Task:
    """Return a task whose table, and `space` too if wanted, has the allowed models alone.

    Without this a table that is used up would answer an allowed model with a row of another one.
    """
    models = task.space.parameters[MODEL]
    if not isinstance(models, Choice):
        raise TypeError("model: must be choices")
    kept = tuple(name for name in models.choices if name in allowed)
    default = models.default if models.default in kept else kept[-1]
    smaller = SearchSpace({**task.space.parameters, MODEL: Choice(kept, default)})
    column = list(task.space.parameters).index(MODEL)
    mine = [row for row, params in enumerate(task.params) if params[MODEL] in allowed]
    rows = task.rows[mine].copy()
    values, seconds = ([of[row] for row in mine] for of in (task.values, task.seconds))
    if not space:
        return replace(task, rows=rows, values=values, seconds=seconds)
    rows[:, column] = [kept.index(task.params[row][MODEL]) for row in mine]
    return replace(task, space=smaller, rows=rows, values=values, seconds=seconds)


def searched(task: Task, costs: dict[str, float], search: str, seed: int) -> Recorded:
    """Run one search."""
    limit = float(np.median([*costs.values()]))
    allowed = [name for name, cost in costs.items() if cost <= limit]
    if search != "unconstrained":
        task = only(task, allowed, space=search == "alone")
    dearest = sorted(allowed, key=lambda name: -costs[name])
    combinations = tuple({MODEL: name} for name in dearest) if search == "constrained" else ()
    strategy = Recorded(Ours(task, seed=seed, start=Start(allowed=combinations)), frozenset(allowed), TRIALS)
    virtual.run(strategy, task, workers=WORKERS, budget=float("inf"), startup=STARTUP * task.epoch)
    return strategy


def needed(best: Sequence[float], value: float) -> int:
    """Return the trials until a value is reached; one more than all if it is not.

    >>> needed([0.1, 0.3, 0.3], 0.3), needed([0.1], 0.3)
    (2, 2)
    """
    return next((number for number, found in enumerate(best, 1) if found >= value), len(best) + 1)


def ratios(runs: Sequence[dict[str, Recorded]], other: str) -> dict[str, list[float]]:
    """Return the trials of the constrained search over those of another to what it had reached at some points.

    `end`: after all of its trials; `half`: after half of them. The ratio of the sums over all studies with its 90%
    interval by bootstrap over studies.
    """
    found = {}
    for name, share in (("half", 0.5), ("end", 1.0)):
        pairs = []
        for run in runs:
            theirs = run[other].best
            value = theirs[round(len(theirs) * share) - 1]
            pairs.append((needed(run["constrained"].best, value), needed(theirs, value)))
        counts, rng = np.array(pairs, float), np.random.default_rng(0)
        drawn = (counts[rng.integers(len(runs), size=len(runs))].sum(axis=0) for _ in range(DRAWS))
        low, high = np.quantile([ours / theirs for ours, theirs in drawn], [0.05, 0.95])
        total = counts.sum(axis=0)
        found[name] = [round(float(number), 3) for number in (total[0] / total[1], low, high)]
    return found


def main() -> None:
    """Run the searches, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help=f"folder of the tables; else ${tables.ENVIRONMENT}; else synthetic tasks only")
    parser.add_argument("--families", nargs="+", default=["synthetic", "quicktune"])
    parser.add_argument("--tasks", type=int, default=6, help="tasks of each family")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of each task")
    options = parser.parse_args()
    place = tables.folder(options.data)
    families = {"synthetic": [synthetic(number) for number in range(options.tasks)]}
    families = {name: tasks for name, tasks in families.items() if name in options.families}
    if place and "quicktune" in options.families:
        known = tables.open_to_all(tables.families(place)["quicktune"])[: options.tasks]
        families["quicktune"] = [tabulated(task) for task in known]
    found: dict[str, Any] = {}
    for family, tasks in families.items():
        runs = []
        for task, costs in tasks:
            for seed in range(options.seeds):
                runs.append({search: searched(task, costs, search, seed) for search in SEARCHES})
                ends = {search: round(run.best[-1], 4) for search, run in runs[-1].items()}
                print(family, task.name, seed, ends, flush=True)
        found[family] = {
            "studies": len(runs),
            "over_unconstrained": ratios(runs, "unconstrained"),
            "over_alone": ratios(runs, "alone"),
            "not_allowed": {name: round(mean(run[name].wasted for run in runs), 1) for name in SEARCHES},
            "best": {name: round(mean(run[name].best[-1] for run in runs), 4) for name in SEARCHES},
        }
        print(family, found[family], flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
