"""How much power a confirmation can have for the re-trainings it spends: bounds, and sequential designs.

Bounds, with known noise and seeds of two sides, for a gain of g times the noise at error a: N re-trainings in one look
find it with probability Phi(g sqrt(N) / 2 - z(1 - a)) (Neyman and Pearson 1933); any sequential test with power p
spends at least 8 / g^2 * (p ln(p / a) + (1 - p) ln((1 - p) / (1 - a))) on average (Wald 1945). Where the search's best
trial is not known, both hold for the studies whose judged trial has the gain.

Designs are played on the studies of `winners.py`: an opening look at three seeds of the search's best trial and of the
default, which spends `OPENING_ERROR`, and a choice among `finalists` by val, whose seeds do not judge (those of what
ships do, see `automl/hpo/looks.py`); then seeds of the chosen trial and the default one pair at a time, with a look
after each `step` pairs. The bound of these looks has the shape of
Wang and Tsiatis (1987): z at least `level` times (pairs / most pairs) ^ (`shape` - 1/2), on normal scores of Welch's t;
`level` is set by simulation so that all of them together have the rest of the error. `cap` is the most re-trainings; a
study stops where the power of a last look, at the observed gain plus its standard error, is below `futility`. All
designs get the same trainings. The last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import product
from math import log, sqrt
from pathlib import Path
from random import Random
from statistics import fmean, variance
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scipy.special import ndtri, stdtr
from scipy.stats import norm

from automl.hpo import confirmation, looks, statistics
from automl.hpo.rounds import side_of
from automl.study import State
from automl.study.results import DEFAULT
from benchmarks import winners
from benchmarks.winners import METRIC, Study, World, wilson

ERROR: Final = 0.05
OPENING_ERROR: Final = 0.01
GAIN: Final = 1.5
GOAL: Final = 0.9
DRAWS: Final = 100_000
"""Null studies of the calibration."""
OPENING: Final = looks.OPENING_SEEDS
CHOOSING: Final = looks.CHOOSING_SEEDS
SEEDS: Final = 40
"""Re-trainings drawn for each side; designs take the first ones."""
WORLDS: Final = {"gain": World(GAIN, seed=2), "twice": World(2.0, seed=1), "none": World()}


@dataclass(frozen=True, slots=True)
class Design:
    """A sequential confirmation."""

    cap: int
    step: int = 1
    futility: float = 0.1
    shape: float = 0.5
    finalists: int = 2

    @property
    def looks(self) -> list[int]:
        """Return the seeds of each side at the looks."""
        return [*range(OPENING, self.cap // 2 + 1, self.step)]

    def bound(self, count: int) -> float:
        """Return the normal score that a look at `count` pairs must exceed."""
        return level(self) * float((count / self.looks[-1]) ** (self.shape - 0.5))


@cache
def level(design: Design) -> float:
    """Return the factor of the bounds, by simulation of studies without a gain."""
    generator = np.random.default_rng(0)
    ours, theirs = generator.standard_normal((2, DRAWS, design.looks[-1]))
    highest = np.full(DRAWS, -np.inf)
    for count in design.looks:
        scores = normal_scores(ours[:, :count], theirs[:, :count])
        highest = np.maximum(highest, scores / (count / design.looks[-1]) ** (design.shape - 0.5))
    return float(np.quantile(highest, 1 - (ERROR - OPENING_ERROR)))


def normal_scores(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the normal score of Welch's t of each row."""
    count = ours.shape[1]
    parts = [side.var(axis=1, ddof=1) / count for side in (ours, theirs)]
    total = parts[0] + parts[1]
    freedom = total**2 * (count - 1) / (parts[0] ** 2 + parts[1] ** 2)
    return np.asarray(ndtri(stdtr(freedom, (ours.mean(axis=1) - theirs.mean(axis=1)) / np.sqrt(total))))


@dataclass(frozen=True, slots=True)
class Searched:
    """A study after its search, and the re-trainings that a confirmation may ask for."""

    ranking: tuple[tuple[str, float], ...]
    """Sides and their values on val in the search, best first."""
    default: float | None
    good: frozenset[str]
    on_val: dict[str, list[float]]
    judged: dict[str, list[float]]


@cache
def studies(name: str, runs: int) -> list[Searched]:
    """Return the studies of a world."""
    spec, world = winners.description(), WORLDS[name]
    found = []
    for run in range(runs):
        study = Study(world, spec, Random(world.seed * 1_000_003 + run))
        plan = confirmation.opened(spec, study.search())
        ranking = tuple((side_of(number), value) for number, value in plan.ranking)
        sides = [DEFAULT, *(side for side, _ in ranking[: confirmation.MOST_FINALISTS])]
        seeds = {side: [study._retrained(side, offset) for offset in range(SEEDS)] for side in sides}
        found.append(Searched(
            ranking, plan.default, frozenset(side_of(number) for number in study.good),
            {side: [seed.on_val for seed in own] for side, own in seeds.items()},
            {side: [seed.score.value for seed in own] for side, own in seeds.items()},
        ))  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a confirmation gave."""

    found: bool
    right: bool
    """The judged trial has the gain."""
    spent: int


def played(study: Searched, design: Design) -> Outcome:
    """Look at the opening, choose among the finalists, then judge."""
    top, best = study.ranking[0]
    if score(study.judged[top][:OPENING], study.judged[DEFAULT][:OPENING]) > ndtri(1 - OPENING_ERROR):
        return Outcome(found=True, right=top in study.good, spent=2 * OPENING)
    own = [] if study.default is None else [study.default]
    noise = statistics.spread([study.on_val[top][:OPENING], [*own, *study.on_val[DEFAULT][:OPENING]]])
    near = [(side, value) for side, value in study.ranking if best - value <= confirmation.FINALIST_RANGE * noise]
    near = near[: design.finalists]
    means = {side: fmean([value, *study.on_val[side][:CHOOSING]]) for side, value in near}
    chosen = max(means, key=lambda side: means[side])
    skipped = CHOOSING if len(near) > 1 else 0  # seeds that chose a trial never judge it
    others = sum(OPENING if side == top else CHOOSING for side in means if side != chosen)
    found, count = judged(design, study.judged[chosen][skipped:], study.judged[DEFAULT], others + skipped)
    return Outcome(found, chosen in study.good, others + skipped + 2 * count)


def judged(design: Design, ours: Sequence[float], theirs: Sequence[float], spent: int) -> tuple[bool, int]:
    """Return whether the gain is found, and after how many pairs; `spent` re-trainings are no pairs."""
    last = max(OPENING, (design.cap - spent) // 2)
    for count in (count for count in design.looks if count <= last):
        mine, other = ours[:count], theirs[:count]
        if score(mine, other) > design.bound(count):
            return True, count
        error = sqrt((variance(mine) + variance(other)) / count)
        difference = fmean(mine) - fmean(other)
        hoped = (difference + error) / (error * sqrt(count / last))
        if norm.cdf(hoped - design.bound(last)) < design.futility:
            return False, count
    return False, last


def score(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the normal score of Welch's t for as many values of both sides."""
    count = len(ours)
    parts = variance(ours) / count, variance(theirs) / count
    freedom = sum(parts) ** 2 * (count - 1) / sum(part**2 for part in parts)
    return float(ndtri(stdtr(freedom, (fmean(ours) - fmean(theirs)) / sqrt(sum(parts)))))


def rates(design: Design, name: str, runs: int) -> dict[str, Any]:
    """Play a world."""
    found = [played(study, design) for study in studies(name, runs)]
    hits = sum(one.found for one in found)
    return {
        "found": round(hits / runs, 3), "interval": [round(end, 3) for end in wilson(hits, runs)],
        "right": round(fmean(one.right for one in found), 3), "spent": round(fmean(one.spent for one in found), 1),
    }  # fmt: skip


def one_look(gain: float, trainings: float, error: float = ERROR) -> float:
    """Return the most power of one look, with known noise.

    >>> round(one_look(1.5, 20), 2)
    0.96
    """
    return float(norm.cdf(gain * sqrt(trainings) / 2 - norm.ppf(1 - error)))


def least_spent(gain: float, power: float, error: float = ERROR) -> float:
    """Return the fewest re-trainings on average of any sequential test with this power, with known noise.

    >>> round(least_spent(1.5, 0.9), 1)
    8.4
    """
    return 8 / gain**2 * (power * log(power / error) + (1 - power) * log((1 - power) / (1 - error)))


def chances(runs: int) -> dict[str, float]:
    """Return how often the search has trained a good trial to its end, and how often the best on val is one."""
    spec, world = winners.description(), WORLDS["gain"]
    there, first = 0, 0
    for run in range(runs):
        study = Study(world, spec, Random(world.seed * 1_000_003 + run))
        ended = [trial for trial in study.search() if trial.state is State.COMPLETED and trial.number]
        there += any(trial.number in study.good for trial in ended)
        first += max(ended, key=lambda trial: trial.best(METRIC) or 0.0).number in study.good
    return {"any": round(there / runs, 3), "best_on_val": round(first / runs, 3)}


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--caps", type=int, nargs="+", default=[20, 26, 32, 40])
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--futility", type=float, nargs="+", default=[0.1, 0.5])
    parser.add_argument("--finalists", type=int, nargs="+", default=[2])
    parser.add_argument("--shapes", type=float, nargs="+", default=[0.25, 0.5])
    options = parser.parse_args()
    answer: dict[str, Any] = {"chances": chances(options.runs)}
    answer["one_look"] = {count: round(one_look(GAIN, count), 3) for count in (14, 17.2, 20, 26, 32, 40)}
    powers = (GOAL, round(GOAL / answer["chances"]["any"], 3), 0.98)
    answer["least_spent"] = {power: round(least_spent(GAIN, power), 1) for power in powers}
    print(json.dumps(answer), flush=True)
    grid = (options.caps, options.steps, options.futility, options.shapes, options.finalists)
    for design in (Design(*values) for values in product(*grid)):
        found = {world: rates(design, world, options.runs) for world in WORLDS}
        name = ", ".join(f"{key} {value:g}" for key, value in asdict(design).items())
        answer[name] = found
        told = "; ".join(f"{world} {one['found']} ({one['spent']})" for world, one in found.items())
        print(f"{name}: {told}", flush=True)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
