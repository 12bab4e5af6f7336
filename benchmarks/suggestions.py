"""What a suggestion costs in a study of any size, and what the bound on the model's history costs in quality.

Two questions. How long does one suggestion take, and how good is it, with 100 to 10,000 trials behind it? And does a
study that passes the bound (`POSTERIOR_LIMIT` trials of the sampler's Gaussian process) search worse than one whose
model sees everything? The first is asked on a landscape that is known everywhere, the second by whole searches
on tables, in virtual time.

    python benchmarks/suggestions.py --data DIR        # or AUTOML_BENCH_DATA=DIR; synthetic curves without either

Prints one JSON object on the last line.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from typing import Any, Final
from unittest import mock

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.hpo.sampler import Sampler, gaussian_process
from automl.hpo.sampler.encoding import Encoding
from automl.study import Ending, Measurement, Trial
from automl.study.space import Choice, Real, SearchSpace
from benchmarks import tables, virtual
from benchmarks.ours import METRIC, Ours

SIZES: Final = (100, 290, 310, 1000, 3000, 10_000)
ASKED: Final = 10
"""Suggestions asked of each history."""
EPOCHS: Final = 50
STANDS: Final = (2, 2, 2, 2, 2, 2, 6, 6, 18)
"""The epochs that trials stand at, in turn; one in fifty has completed."""
WORKERS: Final = 16
FULL: Final = 6.0
"""Whole trainings a worker: time for some 600 trials, twice the bound."""
SPACE: Final = SearchSpace({
    "lr": Real(1e-5, 1e-1, default=1e-3, log=True),
    "momentum": Real(0.5, 0.99, default=0.9),
    "decay": Real(1e-6, 1e-1, default=1e-4, log=True),
    "mosaic": Real(0.0, 1.0, default=1.0),
    "scale": Real(0.0, 0.9, default=0.5),
    "optimizer": Choice(("SGD", "AdamW"), "SGD"),
})  # fmt: skip


class Landscape:
    """What any params reach: a ridge of seeded place and shape, 0..0.8, and a second, lower one."""

    def __init__(self, seed: int) -> None:
        """Draw it."""
        chance = np.random.default_rng(seed)
        self._tops = chance.uniform(0.15, 0.85, (2, 5))
        self._steep = chance.uniform(0.5, 6, (2, 5))
        self._chance = chance

    def heights(self, points: np.ndarray) -> np.ndarray:
        """Return the final value of points, without noise."""
        apart = ((points[:, None, :5] - self._tops) ** 2 * self._steep).sum(axis=2)
        return np.asarray((np.exp(-apart) * [0.8, 0.7]).max(axis=1) - 0.05 * points[:, 5])

    def trial(self, number: int, point: np.ndarray, encoding: Encoding) -> Trial:
        """Return a trial as it stands after its share of the ladder, measured with noise."""
        epochs = EPOCHS if number % 50 == 49 else STANDS[number % len(STANDS)]
        top = float(self.heights(point[None])[0])
        values = top * (1 - np.exp(-0.15 * np.arange(1, epochs + 1))) + self._chance.normal(0, 0.01, epochs)
        told = tuple(Measurement(epoch, {METRIC: float(value)}, 1.0) for epoch, value in enumerate(values, 1))
        ending = Ending(final=told[-1]) if epochs == EPOCHS else Ending(pruned="stands at a rung")
        return Trial(number=number, params=encoding.decode(point), seed=0, measurements=told, ending=ending)


def suggested(size: int, seed: int) -> tuple[list[float], float]:
    """Return the milliseconds of each suggestion after `size` random trials, and their mean regret.

    Regret 0 is the landscape's highest point, 1 its median.
    """
    encoding, landscape = Encoding(SPACE), Landscape(seed)
    chance = np.random.default_rng([seed, size])
    sampler = Sampler(SPACE, seed=seed, metric=METRIC, max_epochs=EPOCHS)
    for number, point in enumerate(encoding.draw(size, chance)):
        sampler.add(landscape.trial(number, point, encoding))
    seconds, points = [], []
    for number in range(size, size + ASKED):
        began = time.perf_counter()
        sampler.invalidate()  # the dearest case: each suggestion meets news, so the model is fitted anew
        params, _ = sampler.draw()
        seconds.append(1000 * (time.perf_counter() - began))
        points.append(encoding.encode([params])[0])
        sampler.add(Trial(number=number, params=params, seed=0))
    everywhere = landscape.heights(encoding.draw(100_000, chance))
    top, middle = float(everywhere.max()), float(np.median(everywhere))
    return seconds, float(np.mean((top - landscape.heights(np.array(points))) / (top - middle)))


@contextmanager
def held(most: int) -> Iterator[None]:
    """Have the model's posterior stand on up to `most` observations."""
    chosen = gaussian_process.representative

    def kept(targets: np.ndarray, bound: int) -> np.ndarray:
        return chosen(targets, most if bound == gaussian_process.POSTERIOR_LIMIT else bound)

    with mock.patch.object(gaussian_process, "representative", kept):
        yield


def searched(tasks: Sequence[tables.Task], most: int, seeds: int) -> dict[str, Any]:
    """Return the mean regret of whole searches at equal shares of their time, and how many trials they had."""
    found, trials = [], []
    with held(most):
        for task in tasks:
            for seed in range(seeds):
                budget, startup = FULL * task.full, 0.2 * task.epoch
                trace = virtual.run(Ours(task, seed=seed), task, workers=WORKERS, budget=budget, startup=startup)
                found.append(virtual.regret(trace, task, budget * np.array([0.25, 0.5, 0.75, 1])))
                trials.append(trace.trials)
    return {"regret": np.round(np.mean(found, axis=0), 4).tolist(), "trials": median(trials), "studies": len(found)}


def main() -> None:
    """Measure both, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help=f"folder of the tables; else ${tables.ENVIRONMENT}, else synthetic curves")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    figures: dict[str, Any] = {"milliseconds": {}, "regret_of_suggestions": {}}
    for size in SIZES:
        pairs = [suggested(size, seed) for seed in range(given.seeds)]
        spent = sorted(number for seconds, _ in pairs for number in seconds)
        figures["milliseconds"][str(size)] = {"median": round(median(spent), 1), "most": round(spent[-1], 1)}
        figures["regret_of_suggestions"][str(size)] = round(mean(regret for _, regret in pairs), 4)
        print(size, figures["milliseconds"][str(size)], figures["regret_of_suggestions"][str(size)], flush=True)
    tasks = tables.open_to_all(tables.families(tables.folder(given.data))["lcbench"])[::3]
    figures["searches"] = {}
    for most in (100, gaussian_process.POSTERIOR_LIMIT, 100_000):
        figures["searches"][str(most)] = searched(tasks, most, given.seeds)
        print(most, figures["searches"][str(most)], flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
