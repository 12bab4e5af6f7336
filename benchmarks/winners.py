"""How honest a study's verdict is: an A/A study must find no gain, a planted gain must be found.

Simulated detection curves go through the project's own code: the ladder stops trials, `hpo/confirmation.py` chooses
finalists and seeds round by round and works out the bound. No GPU, no Ray, no files:

    python benchmarks/winners.py [--runs 1000]

Noise is what a seed alone does to the final mAP50-95: its standard deviation (`NOISE`), the unit of every gain below.
The last line is one JSON object.
"""

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from automl.hpo import confirmation, selection, statistics
from automl.hpo.asha import PausingAsha
from automl.hpo.confirmation import ConfirmationPlan
from automl.hpo.rounds import Results, Retraining, Round, last_look, side_of
from automl.hpo.selection import Candidate
from automl.study import Answer, Ending, Measurement, Score, State, Trial
from automl.study.results import DEFAULT
from automl.study.spec import StudySpec
from automl.trials import retrainings

METRIC: Final = "val/map50_95"
NOISE: Final = 0.02
"""Two seeds of the smoke study of before decision 22 differed by 0.026 (winner) and 0.037 (default): 0.022 pooled."""
BASE: Final = 0.40
TAIL: Final = 4
HEADLINE: Final = 2.0
"""The planted gain of the last line, in units of the noise."""


@dataclass(frozen=True, slots=True)
class World:
    """What is true in a simulated study; gains in units of the noise."""

    gain: float = 0.0
    share: float = 0.2
    """The part of the space that has the gain."""
    shared_noise: float = 0.6
    """How much of a seed's noise val and the judged split have in common (the weights), 0 to 1."""
    ratio: float = 1.0
    """The noise of the tried params relative to the default's."""
    alike: bool = False
    """All trials have the default's own params, not only its mAP."""
    places: int = 1
    """Re-trainings that run at a time."""
    heavy_tails: bool = False
    """Noise is Student's t of `TAIL` degrees of freedom, of the same standard deviation, not normal."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """What a training reaches: in truth (height plus the noise of the weights), on val and on the judged split."""

    true: float
    val: float
    judged: float


@dataclass(slots=True)
class Study:
    """One study: searched, confirmed and judged."""

    world: World
    spec: StudySpec
    rng: random.Random
    good: set[int] = field(default_factory=set)
    finals: dict[int, float] = field(default_factory=dict)
    """Trial to the value on val that its training ends with."""
    models: dict[str, Model] = field(default_factory=dict)
    """By name, as in `selection.Candidate`."""

    def search(self) -> list[Trial]:
        """Return trials of random params after the ladder: one worker, which goes on with paused trials first."""
        ladder = PausingAsha(self.spec.ladder.rungs, self.spec.ladder.reduction_factor)
        trials: dict[int, Trial] = {}
        for number in range(self.spec.budget.trials):
            if number and self.rng.random() < self.world.share:
                self.good.add(number)
            trials[number] = Trial(number, self._params(number), number)
            self.finals[number] = self._kept(f"trial {number}", number).val
            onward: int | None = number
            while onward is not None:
                trials[onward] = self._trained(trials[onward], ladder)
                onward = ladder.advance_next()
        stopped = Ending(pruned="never advanced")
        return [trial if trial.ending else replace(trial, ending=stopped) for trial in trials.values()]

    def confirm(self, trials: Sequence[Trial]) -> tuple[ConfirmationPlan, list[Round], Results]:
        """Play rounds until the contest wants no more."""
        contestants = confirmation.opened(self.spec, trials, places=self.world.places)
        rounds: list[Round] = []
        results: dict[str, dict[int, Retraining]] = {}
        while played := contestants.next_round(rounds, results):
            rounds.append(played)
            for side, offsets in played.wanted.items():
                results.setdefault(side, {}).update({offset: self._retrained(side, offset) for offset in offsets})
        return contestants, rounds, results

    def _trained(self, trial: Trial, ladder: PausingAsha) -> Trial:
        """Return a trial after the rungs that it climbs before it pauses, or after its last epoch."""
        last = self.spec.ladder.max_epochs
        for epoch in (*self.spec.ladder.rungs, last):
            if epoch <= trial.epoch:
                continue
            grown = 1 - math.exp(-4 * epoch / last)
            jitter = self.rng.gauss(0, NOISE / 2) if epoch < last else 0.0
            measured = Measurement(epoch, {METRIC: self.finals[trial.number] * grown + jitter}, 1.0)
            trial = replace(trial, measurements=(*trial.measurements, measured))
            if epoch == last:
                ladder.drop(trial.number)
                return replace(trial, ending=Ending(final=measured))
            value = max(m.metrics[METRIC] for m in trial.measurements)
            if ladder.judge(trial.number, epoch=epoch, value=value).answer is Answer.PAUSE:
                return trial
        return trial

    def _params(self, number: int) -> dict[str, float | int | str | bool]:
        return {"lr0": 0.01 if self.world.alike else 0.01 + number * 1e-4}

    def _model(self, number: int) -> Model:
        """Return what a training of a trial's params reaches."""
        height = BASE + NOISE * (self.world.gain if number in self.good else 0.0)
        noise = NOISE * (self.world.ratio if number else 1.0)
        common = math.sqrt(self.world.shared_noise) * self._draw()
        own = math.sqrt(1 - self.world.shared_noise)
        val, judged = (height + noise * (common + own * self._draw()) for _ in range(2))
        return Model(height + noise * common, val, judged)

    def _draw(self) -> float:
        """Return a standardised error."""
        normal = self.rng.gauss(0, 1)
        if not self.world.heavy_tails:
            return normal
        return normal / math.sqrt(self.rng.gammavariate(TAIL / 2, 2 / TAIL)) * math.sqrt((TAIL - 2) / TAIL)

    def _kept(self, name: str, number: int) -> Model:
        model = self.models[name] = self._model(number)
        return model

    def _retrained(self, side: str, offset: int) -> Retraining:
        number = 0 if side == DEFAULT else int(side.removeprefix("trial"))
        model = self._kept(retrainings.named(side, offset, seed=0), number)
        return Retraining(model.val, Score(offset, model.judged, {}, Path("best.pt")))

    def candidates(self, trials: Sequence[Trial], results: Results) -> list[Candidate]:
        """Return the models trained to the last epoch, those of the search first."""
        sides = {f"trial {trial.number}": side_of(trial.number) if trial.number else DEFAULT
                 for trial in trials if trial.state is State.COMPLETED}  # fmt: skip
        sides |= {retrainings.named(side, offset, seed=0): side for side, seen in results.items() for offset in seen}
        return [Candidate(name, side, self.models[name].val, Path("best.pt")) for name, side in sides.items()]

    def gain_of(self, name: str) -> float:
        """Return how far a model is in truth above the mean of the default's, in units of the noise."""
        return (self.models[name].true - BASE) / NOISE


def shipped_today(looked: Round, results: Results, *, proven: bool) -> str:
    """Return the re-training that is best on val: of those that judged the challenger if proven, of the default's."""
    side, since = (looked.side, looked.since) if proven else (DEFAULT, 0)
    offsets = [offset for offset in results[side] if offset >= since]
    return retrainings.named(side, max(offsets, key=lambda offset: results[side][offset].on_val), seed=0)


@dataclass(frozen=True, slots=True)
class Tally:
    """What many runs of one world gave."""

    runs: int
    found: int
    right: int
    """The judged trial really had the gain."""
    spent: float
    finalists: float
    shipped: float
    """True gain of the model that `selection.choose` ships, in units of the noise."""
    today: float
    """The same of the default's best re-training, the challenger's where its gain is proven."""
    most: int
    """The most re-trainings of a study."""
    covered: int
    """Studies whose lower bound is at most the true gain of the judged params."""
    bias: float
    """Mean of the observed gain of the judged params minus the true one, in units of the noise."""

    @property
    def rate(self) -> float:
        """Return the part of runs in which a gain was found."""
        return self.found / self.runs


def tally(world: World, spec: StudySpec, runs: int) -> Tally:
    """Play a world many times, each run with a seed of its own."""
    found, right, most, covered = 0, 0, 0, 0
    means: list[tuple[float, float, float, float, float]] = []
    for number in range(runs):
        study = Study(world, spec, random.Random(world.seed * 1_000_003 + number))
        trials = study.search()
        contestants, rounds, results = study.confirm(trials)
        looked = last_look(rounds)
        gain = contestants.gain(looked, results)
        proven = statistics.convincing(gain, spec.laws)
        found += proven
        good = looked.side != DEFAULT and int(looked.side.removeprefix("trial")) in study.good
        right += good
        truth = NOISE * world.gain * good
        covered += gain.low <= truth
        chosen = selection.choose(study.candidates(trials, results)).name
        today = shipped_today(looked, results, proven=proven)
        size = sum(played.size for played in rounds)
        most = max(most, size)
        bias = (gain.difference - truth) / NOISE
        means.append((size, len(results) - 1, study.gain_of(chosen), study.gain_of(today), bias))
    spent, finalists, shipped, today, bias = (mean(column) for column in zip(*means, strict=True))
    return Tally(runs, found, right, spent, finalists, shipped, today, most, covered, bias)


def wilson(hits: int, runs: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95% interval of a share (Wilson 1927).

    >>> [round(end, 3) for end in wilson(95, 100)]
    [0.888, 0.978]
    """
    share, extra = hits / runs, z * z / runs
    middle = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * math.sqrt(share * (1 - share) / runs + extra / (4 * runs))
    return middle - half, middle + half


def description(**confirm: int) -> StudySpec:
    """Return the study that is played: trials and ladder of `search_spaces/yolo_small.yaml`, gates as by default."""
    return StudySpec.model_validate({
        "name": "winners", "model": "m.yaml", "budget": {"trials": 40},
        "ladder": {"min_epochs": 10, "max_epochs": 100},
        "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01}},
        "confirm": confirm,
    })  # fmt: skip


def line(label: str, world: World, spec: StudySpec, runs: int) -> Tally:
    """Play a world, print its line of the table and return what it gave."""
    found = tally(world, spec, runs)
    low, high = wilson(found.found, runs)
    print(
        f"{label:<52} {found.rate:6.3f} [{low:.3f}, {high:.3f}] {found.right / runs:8.3f} {found.spent:10.1f}"
        f" {found.most:5} {found.finalists:9.2f} {found.covered / runs:8.3f} {found.bias:+6.2f}",
        flush=True,
    )
    return found


def table(runs: int) -> dict[str, Any]:
    """Print the tables and return the last line's figures."""
    print(
        f"noise {NOISE} mAP50-95; confirm: auto, at most {description().retrainings[1]} re-trainings; {runs} runs each"
    )
    print(
        f"{'':<52} {'found':>6} {'95% interval':>14} {'right':>9} {'trainings':>10} {'most':>5}"
        f" {'finalists':>9} {'covered':>8} {'bias':>6}"
    )
    none = line("A/A: nothing to find", World(), description(), runs)
    planted = line(f"planted {HEADLINE:g}x noise in a fifth of the space", World(HEADLINE, seed=1), description(), runs)
    small = line("planted 1.5x noise in a fifth of the space", World(1.5, seed=2), description(), runs)
    for gain in (1.0, 2.5, 3.0, 4.0):
        line(f"planted {gain:g}x noise in a fifth of the space", World(gain, seed=2), description(), runs)
    for gain in (2.0, 3.0, 4.0):
        line(
            f"planted {gain:g}x noise in a twentieth of the space", World(gain, share=0.05, seed=3), description(), runs
        )
    line("A/A, all trials the default's own params", World(alike=True), description(), min(runs, 100))
    for shared in (0.0, 1.0):
        line(
            f"A/A, val and judged split share {shared:g} of the noise", World(shared_noise=shared), description(), runs
        )
    designs: list[tuple[dict[str, int], int]] = [
        ({"retrainings": 9}, 1), ({"retrainings": 13}, 1), ({"retrainings": 20}, 1), ({"retrainings": 31}, 1),
        ({"retrainings": 48}, 1), ({"retrainings": 31}, 8), ({"retrainings": 48}, 8), ({"finalists": 1}, 1),
        ({"seeds": 3}, 1), ({"seeds": 10}, 1),
    ]  # fmt: skip
    worlds = {
        "A/A": World(seed=5), "1x": World(1.0, seed=5), "1.5x": World(1.5, seed=5), "2x": World(2.0, seed=5),
        "A/A, tried params 0.5x as noisy": World(ratio=0.5, seed=5),
        "A/A, tried params 2x as noisy": World(ratio=2.0, seed=5), "A/A, heavy tails": World(heavy_tails=True, seed=5),
    }  # fmt: skip
    for confirm, places in designs:
        words = ", ".join(f"{key}: {value}" for key, value in confirm.items())
        for name, world in worlds.items():
            label = f"{{{words}}}, {places} at a time, {name}"
            line(label, replace(world, places=places), description(**confirm), runs)
    return {
        "aa_no_gain": round(1 - none.rate, 4),
        "aa_interval": [round(1 - end, 4) for end in reversed(wilson(none.found, runs))],
        "planted_found": round(planted.rate, 4),
        "planted_interval": [round(end, 4) for end in wilson(planted.found, runs)],
        "planted_gain_in_noise": HEADLINE,
        "small_found": round(small.rate, 4),
        "small_interval": [round(end, 4) for end in wilson(small.found, runs)],
        "small_spent": round(small.spent, 1),
        "runs": runs,
        "shipped_gain": {
            name: {"chosen": round(found.shipped, 3), "today": round(found.today, 3)}
            for name, found in (("aa", none), ("planted", planted))
        },
    }


def main() -> None:
    """Read the command line and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000, help="simulated studies a line of the table")
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error(f"--runs: must be at least 1, but got {runs}")
    figures = table(runs)
    print(f"{time.process_time():.0f} s of one core")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
