"""Which trained model a study should ship: true quality of what each rule picks, in simulated studies.

A study has trials trained to the last epoch and the re-trainings that the project's own `contest` asks for. A model's
quality is the mean of its params plus the noise of its seed; val and the judged split show it with noise of their own.
No GPU, no Ray, no files:

    python benchmarks/shipping.py [--runs 150]

Figures are mean true quality above the default's mean, with the standard error. The rules' one constant, `KEPT`, was
chosen on the world `chosen on`; which rule is chosen depends on the other worlds alone. The last line is one JSON
object.
"""

import argparse
import json
import math
import random
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from automl.hpo import selection, statistics
from automl.hpo.rounds import last_look
from automl.hpo.selection import Candidate
from automl.study import Ending, Measurement, Trial
from automl.study.spec import StudySpec
from benchmarks import winners
from benchmarks.winners import BASE, METRIC, Model

GAINS: Final = (-0.02, 0.0, 0.02, 0.04, 0.07)
SEEDS: Final[tuple[int | str, ...]] = (2, 3, "auto")
KEPT: Final = 0.6
"""Part of a model's deviation from others of its params that the rule `shrunk` takes for quality.

Of 0.3, 0.45, 0.6, 0.64 and 0.8 the first ships 0.0002 less than the best on the world `chosen on`, the others less than
0.0001.
"""
WORTH: Final = 0.0005
"""A simpler rule is chosen unless it may lose more than this mAP50-95: a fortieth of the noise between seeds."""
SEARCHED: Final = "trial "
"""How the name of a model of the search starts."""
Rule = Callable[[Sequence[Candidate]], Candidate]


@dataclass(frozen=True, slots=True)
class World:
    """What is true in a set of studies; standard deviations and means in mAP50-95."""

    seed_noise: float = 0.02
    measuring: float = 0.015
    others: tuple[float, float] = (-0.02, 0.02)
    """Mean and standard deviation of the trials' params, but for the default's and the tuned ones."""
    trials: int = 40
    whole: int = 13
    """Trials trained to the last epoch, the default's and the tuned ones among them."""


WORLDS: Final = {
    "chosen on": World(),
    "noise 0.01": World(seed_noise=0.01, measuring=0.0075),
    "noise 0.03": World(seed_noise=0.03, measuring=0.0225),
    "small val": World(seed_noise=0.01, measuring=0.03),
    "poor others": World(others=(-0.06, 0.03)),
    "8 trials": World(trials=8, whole=3),
    "default and tuned only": World(trials=8, whole=2),
}
"""Rules are compared on all but the first."""


@dataclass(slots=True)
class Study(winners.Study):
    """A study of one tuned params among others."""

    gain: float = 0.0
    truth: World = field(default_factory=World)
    heights: dict[int, float] = field(default_factory=dict)

    def search(self) -> list[Trial]:
        """Return the trials trained to the last epoch; the first are the default's and the tuned ones."""
        others = (self.rng.gauss(*self.truth.others) for _ in range(self.truth.whole - 2))
        self.heights = dict(enumerate((0.0, self.gain, *others)))
        return [self._whole(number) for number in self.heights]

    def _whole(self, number: int) -> Trial:
        value = self._kept(f"{SEARCHED}{number}", number).val
        measured = Measurement(self.spec.ladder.max_epochs, {METRIC: value}, 1.0)
        return Trial(number, self._params(number), number, measurements=(measured,), ending=Ending(final=measured))

    def _model(self, number: int) -> Model:
        true = BASE + self.heights[number] + self.rng.gauss(0, self.truth.seed_noise)
        val, judged = (true + self.rng.gauss(0, self.truth.measuring) for _ in range(2))
        return Model(true, val, judged)


def best_retrained_on_val(candidates: Sequence[Candidate]) -> Candidate:
    """Return the best on val of the re-trainings."""
    return selection.choose(_retrained(candidates))


def best_side_then_val(candidates: Sequence[Candidate]) -> Candidate:
    """Return the best model of the params whose re-trainings have the highest mean on val."""
    sides = by_side(_retrained(candidates))
    best = max(sides, key=lambda side: mean(candidate.on_val for candidate in sides[side]))
    return selection.choose([candidate for candidate in candidates if candidate.side == best])


def shrunk(candidates: Sequence[Candidate], *, kept: float = KEPT) -> Candidate:
    """Return the model of the highest expected quality: its side's mean shrunk to that of all, and its own deviation.

    Variances between and within params are those of the study (one-way random effects, method of moments).
    """
    sides = {side: [model.on_val for model in models] for side, models in by_side(candidates).items()}
    between, within = components(list(sides.values()))
    weights = {side: 1 / (between + within / len(values)) for side, values in sides.items()}
    level = sum(weight * mean(sides[side]) for side, weight in weights.items()) / sum(weights.values())

    def expected(model: Candidate) -> float:
        own = mean(sides[model.side])
        height = level + between * weights[model.side] * (own - level)
        return height + kept * (model.on_val - height)

    return max(candidates, key=expected)


def by_side(candidates: Sequence[Candidate]) -> Mapping[str, list[Candidate]]:
    """Return the models of each params."""
    sides: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        sides[candidate.side].append(candidate)
    return sides


def components(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the variance between groups and within them, by the method of moments.

    >>> components([[1.0, 3.0], [5.0, 7.0]])
    (7.0, 2.0)
    """
    total, grand = sum(map(len, groups)), mean(value for group in groups for value in group)
    squares = sum((value - mean(group)) ** 2 for group in groups for value in group)
    within = max(squares / max(total - len(groups), 1), 1e-12)
    size = (total - sum(len(group) ** 2 for group in groups) / total) / max(len(groups) - 1, 1)
    apart = sum(len(group) * (mean(group) - grand) ** 2 for group in groups) / max(len(groups) - 1, 1)
    return (max(0.0, (apart - within) / size) if size else 0.0), within


def _retrained(candidates: Sequence[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if not candidate.name.startswith(SEARCHED)]


RULES: Final[Mapping[str, Rule]] = {
    "best_on_val": selection.choose,
    "best_retrained_on_val": best_retrained_on_val,
    "best_side_then_val": best_side_then_val,
    "shrunk": shrunk,
}
"""From the simplest on."""

Found = dict[str, list[float]]
"""Rule to the true quality of what it ships, study by study."""


def description(trials: int, seeds: int | str) -> StudySpec:
    """Return the study that is played; `seeds` as in `confirm.seeds`."""
    plain = winners.description().model_dump()
    return StudySpec.model_validate(plain | {"budget": {"trials": trials}, "confirm": {"seeds": seeds}})


def played(world: World, gain: float, seeds: int | str, runs: int) -> Found:
    """Return what each rule ships in `runs` studies; the same studies for each rule."""
    spec, found = description(world.trials, seeds), defaultdict(list)
    for number in range(runs):
        study = Study(winners.World(), spec, random.Random(f"{world} {gain} {seeds} {number}"), gain=gain, truth=world)
        trials = study.search()
        contestants, rounds, results = study.confirm(trials)
        looked = last_look(rounds)
        proven = statistics.convincing(contestants.gain(looked, results), spec.laws)
        candidates = study.candidates(trials, results)
        names = {rule: pick(candidates).name for rule, pick in RULES.items()}
        names["today"] = winners.shipped_today(looked, results, proven=proven)
        for rule, name in names.items():
            found[rule].append(study.models[name].true - BASE)
        found["oracle"].append(max(study.models[candidate.name].true for candidate in candidates) - BASE)
    return dict(found)


def error(values: Sequence[float]) -> float:
    """Return the standard error of a mean, 0 of a single value."""
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def told(values: Sequence[float]) -> str:
    """Return a mean and its standard error.

    >>> told([0.01, 0.03])
    '+0.0200 (0.0100)'
    """
    return f"{mean(values):+.4f} ({error(values):.4f})"


def line(label: str, columns: Sequence[Sequence[float]]) -> None:
    """Print one rule's line of a table."""
    print(f"  {label:<22}" + "".join(f"{told(values):>19}" for values in columns), flush=True)


def table(name: str, seeds: int | str, runs: int) -> dict[float, Found]:
    """Print what each rule ships in a world, gain by gain, and return it."""
    found = {gain: played(WORLDS[name], gain, seeds, runs) for gain in GAINS}
    print(f"{name}, seeds: {seeds}" + "".join(f"{f'gain {gain:+.2f}':>19}" for gain in GAINS))
    for rule in ("today", *RULES, "oracle"):
        line(rule, [found[gain][rule] for gain in GAINS])
    return found


def losses(found: Found) -> dict[str, tuple[float, float]]:
    """Return what each rule loses against the best one on average, study by study, and the standard error."""
    best = max(RULES, key=lambda rule: mean(found[rule]))
    apart = {rule: [top - own for top, own in zip(found[best], found[rule], strict=True)] for rule in RULES}
    return {rule: (mean(values), error(values)) for rule, values in apart.items()}


def simplest(lost: Mapping[str, tuple[float, float]]) -> str:
    """Return the simplest rule that loses at most `WORTH`, two standard errors included.

    >>> simplest({"best_on_val": (0.0002, 0.00005), "shrunk": (0.0, 0.0)})
    'best_on_val'
    >>> simplest({"best_on_val": (0.0008, 0.0001), "shrunk": (0.0, 0.0)})
    'shrunk'
    """
    return next(rule for rule, (loss, wide) in lost.items() if loss + 2 * wide <= WORTH)


def compared(runs: int) -> dict[str, Any]:
    """Print all tables and return the last line's figures: means over all worlds but the first, and all seeds."""
    pooled: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name in WORLDS:
        for seeds in SEEDS:
            for gain, found in table(name, seeds, runs).items():
                for rule, values in found.items() if name != next(iter(WORLDS)) else ():
                    pooled[rule][gain] += values
    print("all worlds but the first")
    for rule, gains in pooled.items():
        line(rule, list(gains.values()))
    lost = losses({rule: [value for values in gains.values() for value in values] for rule, gains in pooled.items()})
    return {
        "rules": {rule: _figures(gains, mean) for rule, gains in pooled.items()},
        "errors": {rule: _figures(gains, error) for rule, gains in pooled.items()},
        "loss": {rule: [round(figure, 6) for figure in figures] for rule, figures in lost.items()},
        "chosen": simplest(lost),
        "runs": runs,
    }


def _figures(gains: Mapping[float, Sequence[float]], figure: Callable[[Sequence[float]], float]) -> dict[str, float]:
    return {f"{gain:+.2f}": round(figure(values), 5) for gain, values in gains.items()}


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=150, help="simulated studies a world, gain and number of seeds")
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error(f"--runs: must be at least 1, but got {runs}")
    figures = compared(runs)
    print(f"{time.process_time():.0f} s of one core")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
