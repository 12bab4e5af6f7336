"""How much compute a search needs: the project's own sampler and scheduler against what users would pick instead.

Tabulated learning curves, virtual time, one run for all strategies. The tasks are those that no constant was chosen on.
Prints tables, writes a picture, and one JSON object on the last line; benchmarks/README.md tells how to read them.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: a worker process takes one core
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.study import Params, PastEvidence
from automl.study.ladder import SCRATCH_RUNG
from benchmarks import ablation, detector_tasks, efficiency, noisy_looks, past, portfolio, rivals, tables, virtual
from benchmarks.detector_tasks import SmoothTask
from benchmarks.freeze_thaw import FreezeThaw
from benchmarks.model_ranks import ModelRanks
from benchmarks.ours import FIRST_RUNG, Ours, Start
from benchmarks.rivals.protocol import Strategy
from benchmarks.rivals.search_settings import SearchSettings
from benchmarks.rivals.staged import Halved
from benchmarks.tables import Task

WORKERS = (4, 16, 64)
FEW_WORKERS = (1, 4, 8)
"""Those of `detectors`, as users have them."""
TRAININGS = {"detectors": 20, "detectors40": 40, "detectors60": 60}
"""The budget in whole trainings of all workers together: what a user's number of trials costs who never stops one."""
FULL = {
    "lcbench": {4: 8.0, 16: 2.0, 64: 1.0},
    "taskset": {4: 8.0, 16: 2.0, 64: 1.0},
    "quicktune": {4: 2.0, 16: 0.5, 64: 0.25},
    **{family: {workers: count / workers for workers in FEW_WORKERS} for family, count in TRAININGS.items()},
}
"""The budget in whole trainings a worker; Quick-Tune's tables hold some 120 rows each, which more would use up."""
SEEDS = {"lcbench": 4, "taskset": 5, "quicktune": 3, **dict.fromkeys(TRAININGS, 6)}
"""Seeds a held-out task, of which there are 8, 6, 12 and 5."""
STARTUP = 0.2
"""What each start of a training costs, also after a pause, in mean epochs."""
MEMBERS = 8
"""Params of a portfolio; the worst ones for the teachers where its number is negative."""
SYNTHETIC = ("lcbench", "taskset", "quicktune")
PORTFOLIO = "portfolio"
"""A portfolio alone, halved at the rungs."""
FROM_SCRATCH = "micro-"
"""How the names of detectors begin whose model starts from random weights."""
GRID = np.linspace(0, 1, 101)[1:]
OURS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours_warm": {"warm": True},
    "ours_misled": {"misled": True},
    "ours_freeze_thaw": {"freeze_thaw": True},
    "ours_model_ranks": {"model_ranks": True},
    "ours_noisy_looks": {"noisy_looks": True},
    "ours_stopping": {"scheduler": "stopping"},
    f"{efficiency.WITHOUT}lengths": {"lengths": False},
    **{f"ours_portfolio{count or ''}": {"members": count or MEMBERS} for count in (0, 2, 4)},
    "ours_misled_portfolio": {"members": -MEMBERS},
    **{f"ours_first{rung}": {"first_rung": rung} for rung in (1, 3, 4, 6, 12)},
    **{f"{efficiency.WITHOUT}{part}": {"without": part} for part in ablation.PARTS},
}
CORE = ("stock", "stock_default", "random_asha", "ours", "ours_warm", efficiency.BOUND)


@dataclass(frozen=True, slots=True)
class Cell:
    """One simulated study."""

    family: str
    task: str
    strategy: str
    workers: int
    seed: int


def main() -> None:
    """Run what is asked for, go on where an earlier call stood, and print."""
    options = _options()
    place = tables.folder(options.data)
    if options.data is None and place is None:
        print(f"synthetic curves: neither --data nor ${tables.ENVIRONMENT} names the tables")
    cells = list(_cells(place, options))
    kept = _kept(options.out, place)
    todo = [cell for cell in cells if json.dumps(asdict(cell)) not in kept]
    began = time.monotonic()
    with ProcessPoolExecutor(options.jobs, initializer=_quiet) as pool, options.out.open("a") as file:
        for number, (cell, found) in enumerate(pool.map(partial(_run, place), todo), 1):
            key = json.dumps(asdict(cell))
            kept[key] = found
            file.write(json.dumps({"cell": key, "place": str(place), **found}) + "\n")
            file.flush()
            if number % 50 == 0:
                print(f"{number} of {len(todo)} studies, {time.monotonic() - began:.0f} s", flush=True)
    table = efficiency.Table.of((json.loads(cell), np.array(found["regret"])) for cell, found in kept.items())
    print(efficiency.told(table))
    if options.picture:
        efficiency.draw(table, options.picture)
    print(json.dumps(efficiency.figures(table)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help=f"folder of the tables; else ${tables.ENVIRONMENT}, else synthetic curves")
    parser.add_argument("--quick", action="store_true", help="every second held-out task, one seed each")
    parser.add_argument("--seeds", type=int, help="seeds a task; else as many as make 30 studies a cell")
    counts = sorted({*WORKERS, *FEW_WORKERS})
    parser.add_argument(
        "--workers", type=int, nargs="+", default=WORKERS, choices=counts, help="families have 4 16 64, detectors 1 4 8"
    )
    parser.add_argument("--families", nargs="+", default=list(SYNTHETIC), choices=list(FULL))
    parser.add_argument(
        "--strategies", nargs="+", default=CORE, choices=(*OURS, *rivals.NAMES, PORTFOLIO, efficiency.BOUND)
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    parser.add_argument(
        "--out", type=Path, default=Path("search_efficiency.jsonl"), help="results, kept; the tables are of all in it"
    )
    parser.add_argument("--picture", type=Path, help="where the picture goes")
    parser.add_argument("--open", action="store_true", help="the tasks that constants were chosen on, not the others")
    return parser.parse_args()


def _cells(place: Path | None, options: argparse.Namespace) -> Iterator[Cell]:
    """Yield the studies to run, short ones first."""
    for workers in options.workers:
        for family in (family for family in options.families if workers in FULL[family]):
            seeds = 1 if options.quick else options.seeds or SEEDS[family]
            every = _tasks(place, family)
            tasks = tables.open_to_all(every) if options.open else tables.held_out(every)
            for task in tasks[:: 2 if options.quick else 1]:
                for seed in range(seeds):
                    for strategy in options.strategies:
                        yield Cell(family, task.name, strategy, workers, seed)


def _tasks(place: Path | None, family: str) -> list[Task]:
    return detector_tasks.cached() if family in TRAININGS else tables.families(place)[family]


def _kept(path: Path, place: Path | None) -> dict[str, dict[str, list[float]]]:
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line.pop("cell"): line for line in lines if line.pop("place") == str(place)}


def _quiet() -> None:
    import optuna
    import torch

    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def _run(place: Path | None, cell: Cell) -> tuple[Cell, dict[str, list[float]]]:
    every = _tasks(place, cell.family)
    task = next(task for task in every if task.name == cell.task)
    if isinstance(task, SmoothTask):
        task = task.drawn(cell.seed)
    budget = FULL[cell.family][cell.workers] * task.full
    startup = STARTUP * task.epoch
    if cell.strategy == efficiency.BOUND:
        regret, trials = virtual.least_regret(task, GRID * budget, startup=startup), 1
    else:
        strategy = _strategy(place, cell, task)
        asked = OURS.get(cell.strategy, {})
        noisy = noisy_looks.known() if asked.get("noisy_looks") else nullcontext()
        with ablation.without(asked.get("without")), noisy:
            trace = virtual.run(strategy, task, workers=cell.workers, budget=budget, startup=startup)
        regret, trials = virtual.regret(trace, task, GRID * budget), trace.trials
    return cell, {"regret": [round(float(value), 5) for value in regret], "trials": [trials]}


def _strategy(place: Path | None, cell: Cell, task: Task) -> Strategy:
    if cell.strategy not in OURS:
        if cell.strategy == PORTFOLIO:
            settings = SearchSettings(task.space, task.max_epochs, cell.seed, cell.workers, defaults_first=True)
            return Halved(settings, _members(task, MEMBERS))
        return rivals.make(cell.strategy, task.space, max_epochs=task.max_epochs, seed=cell.seed, workers=cell.workers)
    asked = dict(OURS[cell.strategy])
    for applied in ("without", "noisy_looks"):
        asked.pop(applied, None)
    earlier: Sequence[PastEvidence] = ()
    if asked.pop("warm", False):
        earlier = _earlier(place, task, cell.seed)
    elif asked.pop("misled", False):
        earlier = [past.misleading(study) for study in _earlier(place, task, cell.seed)]
    known = asked.pop("lengths", True) and isinstance(task, SmoothTask)
    lengths = detector_tasks.learned_lengths(task.source) if known and isinstance(task, SmoothTask) else {}
    start = Start(asked.pop("first_rung", first_rung(task)), _members(task, asked.pop("members", 0)), lengths=lengths)
    if asked.pop("freeze_thaw", False):
        return FreezeThaw(task, seed=cell.seed, start=start, calibrated=not from_scratch(task))
    if asked.pop("model_ranks", False):
        return ModelRanks(task, seed=cell.seed, start=start)
    return Ours(task, seed=cell.seed, earlier=tuple(earlier), start=start, **asked)


def first_rung(task: Task) -> int:
    """Return the first rung: the product's own where a detector is trained from scratch, else FIRST_RUNG."""
    return SCRATCH_RUNG if from_scratch(task) else FIRST_RUNG


def from_scratch(task: Task) -> bool:
    """Return True for a detector whose model starts from random weights."""
    return isinstance(task, SmoothTask) and task.name.startswith(FROM_SCRATCH)


def _members(task: Task, count: int) -> tuple[Params, ...]:
    """Return the portfolio of the other data sets' tables."""
    return portfolio.members(task, detector_tasks.cached(), count) if count else ()


def _earlier(place: Path | None, task: Task, seed: int) -> list[PastEvidence]:
    others = tables.open_to_all(tables.families(place)[task.family])
    found = past.alike(task, [other for other in others if other.name != task.name], seed)
    return [past.weighed(_study(place, task.family, other.name), similar) for other, similar in found]


@cache
def _study(place: Path | None, family: str, name: str) -> PastEvidence:
    task = next(task for task in tables.families(place)[family] if task.name == name)
    return past.study(task, full=FULL[family][4])


if __name__ == "__main__":
    main()
