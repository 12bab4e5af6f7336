"""Compares changes of the sampler on detectors: known length scales (`hpo/length_scales.py`), and how a study starts.

`--rows` predicts each row of the real tables from the others, with the length scales of other data sets and without;
`--lengths` prints what all tables together say. Else all rules search the same functions (`detector_tasks.py`) with the
sampler's model: results are appended to `--out`, and the same call does what is missing. Prints the regret at a
quarter, half and all of the budget, and each rule's difference to the model without known length scales, mean over the
budget, with its standard error, on the tasks that a rule may be chosen on (open) and on the others. The last line is
one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from math import log
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.hpo.sampler import sampler as sampler_module
from automl.hpo.sampler.acquisition import normal_quantiles
from automl.hpo.sampler.encoding import Encoding
from automl.hpo.sampler.gaussian_process import Model
from automl.study.space import Choice
from benchmarks import detector_tasks, rivals, tables, virtual
from benchmarks.detector_tasks import RATE, SmoothTask, learned_lengths
from benchmarks.ladder_rules import figures
from benchmarks.ours import Ours, Start
from benchmarks.search_efficiency import FEW_WORKERS, FULL, GRID, STARTUP, TRAININGS
from benchmarks.tables import Matrix

UNKNOWN: Final = "no known lengths"
LEARNED: Final = "learned lengths"
EXCHANGED: Final = "exchanged lengths"
"""The learned lengths in reverse order, which misleads."""
STARTS: Final = {"starts anywhere": 0.0, "starts near the default": 1.0}
RULES: Final = (UNKNOWN, LEARNED, EXCHANGED, *STARTS)
RIVALS: Final = ("stock", "stock_default", "look_then_train", "pasha", "dyhpo", "dyhpo_default", "random")
DECADES: Final = 2
"""Width of the range of `lr0` under each optimizer of the tables."""


def lengths_by(rule: str, task: SmoothTask) -> dict[str, float]:
    """Return the length scales that a rule knows."""
    learned = learned_lengths(task.source)
    if rule == EXCHANGED:
        return dict(zip(learned, reversed(learned.values()), strict=True))
    return learned if rule == LEARNED else {}


def searched(task: SmoothTask, rule: str, *, family: str, workers: int, seed: int) -> Matrix:
    """Return the regret of one search along its budget."""
    asked = task.drawn(seed)
    budget = FULL[family][workers] * asked.full
    starts = patch.object(sampler_module, "NEAR_DEFAULT", STARTS[rule]) if rule in STARTS else nullcontext()
    search: Any
    with starts:
        if rule in RIVALS:
            search = rivals.make(rule, asked.space, max_epochs=asked.max_epochs, seed=seed, workers=workers)
        else:
            search = Ours(asked, seed=seed, start=Start(lengths=lengths_by(rule, asked)))
        trace = virtual.run(search, asked, workers=workers, budget=budget, startup=STARTUP * asked.epoch)
    return virtual.regret(trace, asked, GRID * budget)


def explained(task: SmoothTask, rule: str) -> float:
    """Return the share of the variance of a table's normal quantiles that is predicted for rows left out.

    All rows of the same params are left out together.
    """
    points, kinds = task.response.table.points, Encoding(task.space).categorical
    targets = normal_quantiles(task.response.table.finals.tolist(), np.ones(len(points)))
    known = lengths_by(rule, task)
    lengths = np.array([known.get(name, np.nan) for name in task.space.parameters])
    missed = []
    for point, target in zip(points, targets, strict=True):
        others = ~np.isclose(points, point).all(axis=1)
        model = Model.fit(points[others], targets[others], categorical=kinds, lengths=lengths)
        missed.append(float(model.predict(point[None])[0][0] - target))
    return 1 - float(np.mean(np.square(missed)) / targets.var())


def of_rows() -> dict[str, Any]:
    """Return, and print, what is explained of each table by each rule."""
    answer: dict[str, dict[str, float]] = {}
    for task in detector_tasks.cached():
        if isinstance(task, SmoothTask):
            answer[task.name] = {rule: round(explained(task, rule), 2) for rule in (UNKNOWN, LEARNED, EXCHANGED)}
            print(task.name, answer[task.name], flush=True)
    mean = {rule: round(float(np.mean([found[rule] for found in answer.values()])), 3) for rule in RULES[:3]}
    return {**answer, "mean": mean}


def in_own_units() -> dict[str, float]:
    """Return the length scales of all tables, as `hpo/length_scales.py` has them."""
    found: dict[str, float] = {}
    for name, share in learned_lengths("none").items():
        parameter = detector_tasks.space().parameters[name]
        if name == RATE:
            found["lr0"] = share * DECADES * log(10)
        elif isinstance(parameter, Choice):
            found[name] = share
        else:
            found[name] = share * (
                log(parameter.high / parameter.low) if parameter.log else parameter.high - parameter.low
            )
    return {name: round(length, 3) for name, length in found.items()}


def kept(path: Path) -> dict[str, list[float]]:
    """Return the searches that an earlier call did."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["cell"]: line["regret"] for line in map(json.loads, lines)}


def key(options: argparse.Namespace, rule: str, task: str, seed: int) -> str:
    """Return the name of one search."""
    return json.dumps([options.family, options.workers, rule, task, seed])


def missing(options: argparse.Namespace) -> Iterator[tuple[SmoothTask, str, int]]:
    """Yield what is not yet searched, all rules on one function before the next function."""
    done = kept(options.out)
    for seed in range(options.first_seed, options.seeds):
        for task in detector_tasks.cached():
            for rule in dict.fromkeys((UNKNOWN, *options.rules)):
                if isinstance(task, SmoothTask) and key(options, rule, task.name, seed) not in done:
                    yield task, rule, seed


def run(options: argparse.Namespace) -> None:
    """Search what is missing."""
    ends = time.monotonic() + 60 * options.minutes
    for task, rule, seed in missing(options):
        if time.monotonic() > ends:
            return
        found = searched(task, rule, family=options.family, workers=options.workers, seed=seed)
        with options.out.open("a") as file:
            cell = key(options, rule, task.name, seed)
            file.write(json.dumps({"cell": cell, "regret": found.round(5).tolist()}) + "\n")


def compared(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Return the figures of each rule on each half, on the functions that all of them have searched."""
    done, answer = kept(options.out), dict[str, dict[str, Any]]()
    rules = [*dict.fromkeys((UNKNOWN, *options.rules))]
    every = detector_tasks.cached()
    for half, tasks in {"open": tables.open_to_all(every), "held_out": tables.held_out(every), "all": every}.items():
        cells = [(task.name, seed) for task in tasks for seed in range(options.first_seed, options.seeds)]
        cells = [cell for cell in cells if all(key(options, rule, *cell) in done for rule in rules)]
        for rule in rules if cells else ():
            found, base = (np.array([done[key(options, one, *cell)] for cell in cells]) for one in (rule, UNKNOWN))
            answer.setdefault(rule, {})[half] = figures(found, base)
            print(half, rule, answer[rule][half], flush=True)
    return answer


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", action="store_true", help="predict the real rows; no search")
    parser.add_argument("--lengths", action="store_true", help="the length scales of all tables; no search")
    parser.add_argument("--family", choices=TRAININGS, default="detectors", help="budget: 20, 40 or 60 whole trainings")
    parser.add_argument("--workers", type=int, choices=FEW_WORKERS, default=4)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=4, help="seeds end before this one")
    parser.add_argument("--rules", nargs="+", choices=(*RULES, *RIVALS), default=RULES)
    parser.add_argument("--minutes", type=float, default=60.0, help="no search begins later")
    parser.add_argument("--out", type=Path, default=Path("sampler_rules.jsonl"), help="results, kept")
    options = parser.parse_args()
    if options.rows or options.lengths:
        print(json.dumps(of_rows() if options.rows else in_own_units()))
        return
    run(options)
    print(json.dumps(compared(options)))


if __name__ == "__main__":
    main()
