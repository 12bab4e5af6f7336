"""Whether the expected gain of the next hour, as `automl status` shows it, is what a search then gains.

Searches on the tables of `search_efficiency.py`, one trial at a time; after each tenth of the budget the gain expected
of the next tenth is compared with the gain that came, on the tasks that the factor was chosen on (open) and on the
others. `held` is the share of gains at most one deviation from their expectation. The last line is one JSON object.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.hpo.expected_gain import Rate, next_hour
from automl.study import Answer, Trial
from automl.study.ladder import cost, ladder
from benchmarks import detector_tasks, tables, virtual
from benchmarks.detector_tasks import SmoothTask
from benchmarks.ours import FIRST_RUNG, METRIC, REDUCTION, Ours
from benchmarks.tables import Task

FAMILIES: Final = ("quicktune", detector_tasks.FAMILY)
TRAININGS: Final = 10
"""The budget in whole trainings."""
PARTS: Final = 10
TRIALS: Final = 40
BELOW: Final = 0.002
"""An expected gain below which a user might stop."""


class Watched(Ours):
    """The search, with its trials and its best value at each part of the budget."""

    def __init__(self, task: Task, *, seed: int) -> None:
        super().__init__(task, seed=seed)
        self.work = 0.0
        self.history: list[tuple[float, float]] = []
        self.states: list[tuple[float, list[Trial]]] = []
        self._part = TRAININGS * task.full / PARTS

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        """Record the best value; at each part the trials."""
        self.work += seconds
        self.history.append((self.work, max(value, self.history[-1][1] if self.history else 0.0)))
        answer = super().measured(number, epoch=epoch, value=value, seconds=seconds)
        if self.work >= self._part * (len(self.states) + 1):
            self.states.append((self.work, list(self.trials.values())))
        return answer


def pairs(task: Task, *, seed: int, fine_tuned: bool) -> list[tuple[float, float, float]]:
    """Return expected gain, its deviation and the real gain at each part of a search."""
    search = Watched(task, seed=seed)
    virtual.run(search, task, workers=1, budget=TRAININGS * task.full, startup=0.0)
    rungs = ladder(FIRST_RUNG, task.max_epochs, REDUCTION)
    price = cost(TRIALS, rungs, max_epochs=task.max_epochs, reduction_factor=REDUCTION, retrainings=0)
    rate = Rate(1, task.max_epochs, price.expected / TRIALS, fine_tuned=fine_tuned)
    part = TRAININGS * task.full / PARTS
    times, best = np.array(search.history).T
    found = []
    for now, trials in search.states[:-1]:
        gain = next_hour(trials, metric=METRIC, rate=rate, seconds=part)
        if gain:
            reached = [float(best[times <= time].max()) for time in (now, now + part)]
            found.append((gain.mean, gain.deviation, reached[1] - reached[0]))
    return found


def figures(found: np.ndarray) -> dict[str, float | int | None]:
    """Return what expected and real gains (pairs, 3: mean, deviation, real) say of each other."""
    expected, deviation, came = found.T
    low = came[expected < BELOW]
    return {
        "forecasts": len(found),
        "expected": round(float(expected.mean()), 4),
        "came": round(float(came.mean()), 4),
        "factor": round(float(came.sum() / expected.sum()), 2),
        "held": round(float((np.abs(came - expected) <= deviation).mean()), 2),
        "correlation": round(float(np.corrcoef(expected, came)[0, 1]), 2),
        f"came_where_below_{BELOW}": round(float(low.mean()), 4) if len(low) else None,
        "below": len(low),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help=f"folder of the tables; else ${tables.ENVIRONMENT}, else synthetic curves")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    answer: dict[str, dict[str, dict[str, float | int | None]]] = {}
    for family in options.families:
        detectors = family == detector_tasks.FAMILY
        tasks = detector_tasks.cached() if detectors else tables.families(tables.folder(options.data))[family]
        for half, chosen in {"open": tables.open_to_all(tasks), "held_out": tables.held_out(tasks)}.items():
            found = [
                pair
                for seed in range(options.seeds)
                for task in chosen
                for pair in pairs(drawn(task, seed), seed=seed, fine_tuned=not task.name.startswith("micro-"))
            ]
            answer.setdefault(family, {})[half] = figures(np.array(found))
            print(family, half, answer[family][half], flush=True)
    print(json.dumps(answer))


def drawn(task: Task, seed: int) -> Task:
    """Return a task that a search may ask, its function drawn where it is one of a posterior."""
    return task.drawn(seed) if isinstance(task, SmoothTask) else task


if __name__ == "__main__":
    main()
