"""Compares rules of the ladder on detectors, without the sampler's model: params lie near the default or are random.

Every rule searches the same functions (`detector_tasks.py`). Prints the regret at a quarter, half and all of the
budget, and each rule's difference to the first one, mean over the budget, with its standard error, on the tasks that a
rule may be chosen on (open) and on the others. The last line is one JSON object.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.hpo.asha import PausingAsha
from automl.hpo.sampler import Sampler
from automl.hpo.sampler import sampler as sampler_module
from benchmarks import detector_tasks, portfolio, tables, virtual
from benchmarks.detector_tasks import SmoothTask
from benchmarks.freeze_thaw import FreezeThaw
from benchmarks.ours import FIRST_RUNG, Ours, Start
from benchmarks.search_efficiency import FEW_WORKERS, FULL, GRID, STARTUP, TRAININGS
from benchmarks.tables import Matrix

FIRST: Final = f"first rung {FIRST_RUNG}"
NEAR: Final = 0.5
"""Share of the params in place of the model's that lie near the default."""
RUNGS: Final = {f"first rung {rung}": rung for rung in (1, 3, 6, 12)}
PATCHES: Final[dict[str, tuple[Any, str, Any]]] = {
    "half advance": (PausingAsha, "places", lambda _, entries: entries // 2),
    "a quarter advances": (PausingAsha, "places", lambda _, entries: entries // 4),
    "starts near the default": (sampler_module, "NEAR_DEFAULT", 1.0),
}
FREEZE: Final = "freeze-thaw"
PORTFOLIO: Final = "portfolio of 4"
RULES: Final = (FIRST, *RUNGS, *PATCHES, PORTFOLIO, FREEZE)


def drawn(self: Sampler, _: int, generator: np.random.Generator) -> tuple[Matrix, str]:
    """Return params as a study draws its first ones, in place of the model's."""
    encoding = self._encoding
    if generator.random() < NEAR:
        return encoding.near(encoding.default[None], generator, width=sampler_module.WIDTH)[0], "near default"
    return encoding.draw(1, generator)[0], "random"


def searched(task: SmoothTask, rule: str, *, family: str, workers: int, seed: int) -> Matrix:
    """Return the regret of one search along its budget."""
    asked = task.drawn(seed)
    members = portfolio.members(asked, detector_tasks.cached(), 4) if rule == PORTFOLIO else ()
    start = Start(RUNGS.get(rule, FIRST_RUNG), members)
    kind: Callable[..., Ours] = FreezeThaw if rule == FREEZE else Ours
    budget = FULL[family][workers] * asked.full
    with patch.object(Sampler, "_of_model", drawn), patch.object(*PATCHES[rule]) if rule in PATCHES else nullcontext():
        search = kind(asked, seed=seed, start=start)
        trace = virtual.run(search, asked, workers=workers, budget=budget, startup=STARTUP * asked.epoch)
    return virtual.regret(trace, asked, GRID * budget)


def figures(found: Matrix, base: Matrix) -> dict[str, float | int | list[float]]:
    """Return the figures of one rule from (searches, points) of it and of the first rule."""
    apart = (found - base).mean(axis=1)
    at = [round(float(found[:, place].mean()), 3) for place in (24, 49, 99)]
    error = float(apart.std(ddof=1)) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
    return {"searches": len(apart), "regret": at, "apart": round(float(apart.mean()), 3), "error": round(error, 3)}


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=TRAININGS, default="detectors", help="budget: 20, 40 or 60 whole trainings")
    parser.add_argument("--workers", type=int, choices=FEW_WORKERS, default=4)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rules", nargs="+", choices=RULES, default=RULES)
    options = parser.parse_args()
    every = detector_tasks.cached()
    answer: dict[str, dict[str, Any]] = {}
    for half, tasks in {"open": tables.open_to_all(every), "held_out": tables.held_out(every)}.items():
        cells = [(task, seed) for seed in range(options.seeds) for task in tasks if isinstance(task, SmoothTask)]
        base: Matrix | None = None
        for rule in dict.fromkeys((FIRST, *options.rules)):
            runs = [
                searched(task, rule, family=options.family, workers=options.workers, seed=seed) for task, seed in cells
            ]
            found = np.array(runs)
            base = found if base is None else base
            answer.setdefault(rule, {})[half] = figures(found, base)
            print(half, rule, answer[rule][half], flush=True)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
