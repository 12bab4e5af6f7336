"""Compares rules of the ladder, without the sampler's model: params lie near the default or are random.

Every rule searches the same functions (`detector_tasks.py`) or tables. Prints the regret at a quarter, half and all of
the budget, and each rule's difference to the first one, mean over the budget, with its standard error, on the tasks
that a rule may be chosen on (open) and on the others. `best a function` is no rule: of the first rungs it takes the one
that was best on the same function on every second seed, judged on the other seeds; a first rung that is learned from
one study knows less. `--model` keeps the sampler's model. The last line is one JSON object.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.hpo import strategy as strategy_module
from automl.hpo.asha import KINDS, PausingAsha
from automl.hpo.sampler import Sampler
from automl.hpo.sampler import sampler as sampler_module
from automl.study import Trial
from benchmarks import detector_tasks, portfolio, tables, virtual
from benchmarks import ours as ours_module
from benchmarks.detector_tasks import SmoothTask, learned_lengths
from benchmarks.freeze_thaw import FreezeThaw
from benchmarks.learned_ladders import EagerAsha, GrowingAsha, RatioAsha, SeeingAsha
from benchmarks.ours import METRIC, Ours, Start
from benchmarks.search_efficiency import FULL, GRID, STARTUP, TRAININGS, first_rung
from benchmarks.tables import Matrix, Task

FIRST: Final = "as shipped"
"""The first rung of `search_efficiency.py`: 2, from scratch 6."""
NEAR: Final = 0.5
"""Share of the params in place of the model's that lie near the default."""
RUNGS: Final = {f"first rung {rung}": rung for rung in (1, 2, 3, 4, 6, 12)}
PATCHES: Final[dict[str, tuple[Any, str, Any]]] = {
    "half advance": (PausingAsha, "places", lambda _, entries: entries // 2),
    "a quarter advances": (PausingAsha, "places", lambda _, entries: entries // 4),
    "starts near the default": (sampler_module, "NEAR_DEFAULT", 1.0),
}
SPREAD: Final = {"spread 2": 2, "spread 3": 3, "spread 6": 6}
"""First rungs of ladders whose factor is changed so that the last one would be at the end: `spread`."""
LEARNED: Final = {"seeing": SeeingAsha, "eager": EagerAsha, "ratio": RatioAsha, "growing": GrowingAsha}
"""Rules of `learned_ladders.py`."""
RELEASED: Final = 0.6
"""Share of the budget after which `growing` opens all rungs: the best trials are then trained to the end."""
FREEZE: Final = "freeze-thaw"
PORTFOLIO: Final = "portfolio of 4"
RULES: Final = (FIRST, *RUNGS, *SPREAD, *PATCHES, *LEARNED, PORTFOLIO, FREEZE)
BEST: Final = "best a function"


def drawn(self: Sampler, _: int, generator: np.random.Generator, *__: object) -> tuple[Matrix, str]:
    """Return params as a study draws its first ones, in place of the model's."""
    encoding = self._encoding
    if generator.random() < NEAR:
        return encoding.near(encoding.default[None], generator, width=sampler_module.WIDTH)[0], "near default"
    return encoding.draw(1, generator)[0], "random"


def spread(first: int, most: int, factor: int) -> tuple[int, ...]:
    """Return rungs whose ratio, near `factor`, divides the training evenly.

    >>> spread(3, 15, 3), spread(3, 12, 3), spread(2, 20, 3), spread(6, 100, 3), spread(3, 5, 3)
    ((3, 7), (3, 6), (2, 4, 9), (6, 15, 39), (3,))
    """
    count = max(1, math.ceil(math.log(most / first) / math.log(factor) - 1e-9))
    return tuple(round(first * (most / first) ** (place / count)) for place in range(count))


@contextmanager
def learning(rule: str, budget: float) -> Iterator[None]:
    """Use a scheduler of `learned_ladders.py` for the searches of a block; `budget` in seconds of all workers."""
    told, spent = strategy_module.Strategy.ended, strategy_module.Strategy.measured

    def ended(self: strategy_module.Strategy, trial: Trial) -> None:
        self._scheduler.ends[trial.number] = trial.best(METRIC) or 0.0  # type: ignore[attr-defined]
        told(self, trial)

    def measured(self: strategy_module.Strategy, trial: Trial) -> None:
        spent(self, trial)
        seconds[0] += trial.measurements[-1].seconds
        self._scheduler.released = seconds[0] > RELEASED * budget  # type: ignore[attr-defined]

    seconds = [0.0]
    with ExitStack() as stack:
        stack.enter_context(patch.dict(KINDS, promotion=LEARNED[rule]))
        stack.enter_context(patch.object(strategy_module.Strategy, "ended", ended))
        stack.enter_context(patch.object(strategy_module.Strategy, "measured", measured))
        yield


def searched(task: Task, rule: str, *, options: argparse.Namespace, seed: int) -> Matrix:
    """Return the regret of one search along its budget."""
    asked = task.drawn(seed // options.searches) if isinstance(task, SmoothTask) else task
    members = portfolio.members(asked, detector_tasks.cached(), 4) if rule == PORTFOLIO else ()
    lengths = learned_lengths(asked.source) if options.model and isinstance(asked, SmoothTask) else {}
    start = Start((RUNGS | SPREAD).get(rule, first_rung(task)), members, lengths=lengths)
    kind: Callable[..., Ours] = FreezeThaw if rule == FREEZE else Ours
    budget = FULL[options.family][options.workers] * asked.full
    with ExitStack() as stack:
        if not options.model:
            stack.enter_context(patch.object(Sampler, "_of_model", drawn))
        if rule in SPREAD:
            stack.enter_context(patch.object(ours_module, "ladder", spread))
        if rule in PATCHES:
            stack.enter_context(patch.object(*PATCHES[rule]))
        if rule in LEARNED:
            stack.enter_context(learning(rule, budget * options.workers))
        search = kind(asked, seed=seed, start=start)
        trace = virtual.run(search, asked, workers=options.workers, budget=budget, startup=STARTUP * asked.epoch)
    return virtual.regret(trace, asked, GRID * budget)


def figures(found: Matrix, base: Matrix) -> dict[str, float | int | list[float]]:
    """Return the figures of one rule from (searches, points) of it and of the first rule."""
    apart = (found - base).mean(axis=1)
    at = [round(float(found[:, place].mean()), 3) for place in (24, 49, 99)]
    error = float(apart.std(ddof=1)) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
    return {"searches": len(apart), "regret": at, "apart": round(float(apart.mean()), 3), "error": round(error, 3)}


def best_by_function(found: dict[str, Matrix]) -> Matrix:
    """Return (functions, seeds, points): each half of the seeds under the rule that is best on the other half.

    >>> runs = {"a": np.array([[[0.0], [1.0]]]), "b": np.array([[[1.0], [0.0]]])}
    >>> best_by_function(runs).ravel().tolist()
    [1.0, 1.0]
    """
    every = np.array([*found.values()])
    chosen: Matrix = np.empty_like(every[0])
    for half in (0, 1):
        levels = every[:, :, 1 - half :: 2].mean(axis=(2, 3))
        for function, rule in enumerate(levels.argmin(axis=0)):
            chosen[function, half::2] = every[rule, function, half::2]
    return chosen


def tasks_of(options: argparse.Namespace) -> list[Task]:
    """Return the tasks of a family."""
    if options.family in TRAININGS:
        return detector_tasks.cached()
    return tables.families(options.data)[options.family]


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help=f"folder of the tables; else ${tables.ENVIRONMENT}")
    parser.add_argument("--family", choices=FULL, default="detectors", help="detectors: budget of 20 whole trainings")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--searches", type=int, default=1, help="seeds that search the same function of a detector")
    parser.add_argument("--model", action="store_true", help="keep the sampler's model")
    parser.add_argument("--rules", nargs="+", choices=RULES, default=RULES)
    options = parser.parse_args()
    options.data = options.data or tables.folder(None)
    every = tasks_of(options)
    answer: dict[str, dict[str, Any]] = {}
    for half, tasks in {"open": tables.open_to_all(every), "held_out": tables.held_out(every)}.items():
        runs: dict[str, Matrix] = {}
        for rule in dict.fromkeys((FIRST, *options.rules)):
            cells = [
                [searched(task, rule, options=options, seed=seed) for seed in range(options.seeds)] for task in tasks
            ]
            runs[rule] = np.array(cells)
            told(answer, half, rule, runs[rule], runs[FIRST])
        together = options.searches if options.family in TRAININGS else options.seeds
        points = runs[FIRST].shape[-1]
        rungs = {rule: runs[rule].reshape(-1, together, points) for rule in runs if rule in (FIRST, *RUNGS)}
        if len(rungs) > 1 and together % 2 == 0:
            told(answer, half, BEST, best_by_function(rungs).reshape(runs[FIRST].shape), runs[FIRST])
    print(json.dumps(answer))


def told(answer: dict[str, dict[str, Any]], half: str, rule: str, found: Matrix, base: Matrix) -> None:
    """Record and print the figures of a rule from (tasks, seeds, points)."""
    points = found.shape[-1]
    answer.setdefault(rule, {})[half] = figures(found.reshape(-1, points), base.reshape(-1, points))
    print(half, rule, answer[rule][half], [round(float(one), 2) for one in found.mean(axis=(1, 2))], flush=True)


if __name__ == "__main__":
    main()
