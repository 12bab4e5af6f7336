"""Sequential confirmation: which trials and seeds to retrain next (alpha spending, futility stop). Pure.

Rounds: opening, choice among finalists, judging. `docs/decisions/0013` gives the reason of each rule. Trials are chosen
on val alone, and the seeds that chose a trial never judge it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import mean
from typing import Final

from automl.hpo import statistics
from automl.hpo.rounds import Results, Round, Stage, last_look, side_of
from automl.hpo.selection import best_trial
from automl.hpo.statistics import convincing
from automl.study import Gain, Gates, State, Trial
from automl.study.results import DEFAULT
from automl.study.spec import StudySpec

OPENING_SEEDS: Final = 3
"""Seeds of the best trial and of the default in the first round: the fewest that give a usable spread."""
CHOOSING_SEEDS: Final = 2
"""Seeds of each further finalist; its value in the search counts as one more."""
RESERVED_FOR_JUDGING: Final = 12
"""Re-trainings reserved for judging, before any is used for choosing: fewer would miss a gain of twice the noise."""
FINALIST_RANGE: Final = 1.5
"""A trial is a finalist if its value in the search is at most this many times the noise below the best one."""
EARLY_SHARE: Final = 0.2
"""Share of the error that each look before the last one spends; the last one spends the rest."""
RESERVE: Final = 0.1
"""Share of the remaining error that a last look reserves in case `confirm.retrainings` is raised later."""
MOST_FINALISTS: Final = 4
"""Default number of finalists."""
MOST_FURTHER: Final = 10
"""A verdict is close if at most this many further seeds of each side would decide it."""
FUTILITY_Z: Final = 1.28
"""Futility bound in standard errors (one-sided 90%), added to the observed gain before a confirmation is abandoned."""


@dataclass(frozen=True, slots=True)
class ConfirmationPlan:
    """Finalists of a confirmation, and its limits."""

    ranking: tuple[tuple[int, float], ...]
    """Number and best value on val of each trial whose params are not the default's, best first."""
    default: float | None
    """Best value on val of the default's trial in the search."""
    gates: Gates
    retrainings: int
    """The most re-trainings."""
    finalists: int
    seeds: int | None = None
    """Seeds of winner and default, with one look; None: as the noise requires."""

    def next_round(self, rounds: Sequence[Round], results: Results) -> Round | None:
        """Return the round to train after `rounds` and their `results`; None if no more is needed."""
        if self.seeds == 0:
            return None
        if not rounds:
            return self._opening()
        last = rounds[-1]
        if not results.get(DEFAULT):  # nothing to compare with; a later session repeats this round
            return None
        if not self.ranking or (last.share and self.significant(last, results)):
            return None
        left = self.retrainings - sum(played.size for played in rounds)
        if last.stage is Stage.OPENING and self.seeds is None:
            return self._choosing(last, results, left) or self._judging(last, rounds, results)
        if last.stage is Stage.CHOOSING:
            last = self._choice(rounds, results)
        return self._judging(last, rounds, results)

    def gain(self, played: Round, results: Results) -> Gain:
        """Return the gain at the look after a round; its bound is valid for all looks together."""
        ours = [found.score for offset, found in sorted(results.get(played.side, {}).items()) if offset >= played.since]
        theirs = [found.score for _, found in sorted(results.get(DEFAULT, {}).items())]
        return statistics.gain(ours, theirs, confidence=self.gates.confidence, share=played.share)

    def significant(self, played: Round, results: Results) -> bool:
        """Return True if the gain is significant after a round."""
        return convincing(self.gain(played, results), self.gates)

    def noise(self, results: Results) -> float:
        """Return the standard deviation over seeds of the values on val, pooled over all re-trained params.

        The default's trial of the search is included: it was not selected by its value. The finalists' are not.
        """
        own = {DEFAULT: [self.default]} if self.default is not None else {}
        groups = [[*own.get(side, []), *(found.on_val for found in seen.values())] for side, seen in results.items()]
        return statistics.spread(groups)

    def _opening(self) -> Round:
        count = self.seeds or max(2, min(OPENING_SEEDS, self.retrainings // 2))
        offsets = tuple(range(count))
        if not self.ranking:
            return Round(Stage.OPENING, {DEFAULT: offsets}, DEFAULT, share=1.0, why="the baseline's params are best")
        side = side_of(self.ranking[0][0])
        share = EARLY_SHARE if self.retrainings >= 2 * count + 2 else 1 - RESERVE
        return Round(Stage.OPENING, {side: offsets, DEFAULT: offsets}, side, share=share)

    def _choosing(self, opening: Round, results: Results, left: int) -> Round | None:
        """Return the round that trains the other finalists, None if there is none."""
        noise = self.noise(results)
        best = self.ranking[0][1]
        places = min(self.finalists - 1, (left - RESERVED_FOR_JUDGING) // CHOOSING_SEEDS)
        near = [number for number, value in self.ranking[1:] if best - value <= FINALIST_RANGE * noise][
            : max(0, places)
        ]
        if not near:
            return None
        trials = ", ".join(map(str, near))
        why = f"noise {noise:.4f}: trials {trials} are within {FINALIST_RANGE:g} times of {opening.side}"
        wanted = {side_of(number): tuple(range(CHOOSING_SEEDS)) for number in near}
        return Round(Stage.CHOOSING, wanted, opening.side, why=why)

    def _choice(self, rounds: Sequence[Round], results: Results) -> Round:
        """Return the round of the finalist that is best on val; seeds that chose it never judge it."""
        seen = dict(self.ranking)
        sides = {side_of(number): number for number in seen if side_of(number) in results}
        if not sides:
            return rounds[-1]

        def mean_on_val(side: str) -> float:
            again = [found.on_val for offset, found in results[side].items() if offset < CHOOSING_SEEDS]
            return mean([seen[sides[side]], *again])

        return replace(rounds[-1], side=max(sides, key=mean_on_val), since=CHOOSING_SEEDS)

    def _judging(self, last: Round, rounds: Sequence[Round], results: Results) -> Round | None:
        """Return the seeds needed to show the observed gain, at most all left; None if those cannot (futility)."""
        left = self.retrainings - sum(played.size for played in rounds)
        share = _last_share(rounds)
        have = {side: _next_offset(rounds, side) for side in (last.side, DEFAULT)}
        judged = have[last.side] - last.since
        plans = _plans(judged, have[DEFAULT], left)
        difference, noise, error = self._observed(last, results)
        if not plans or self._bound(difference + FUTILITY_Z * error, noise, plans[-1], share) <= self.gates.min_gain:
            return None
        early = min(EARLY_SHARE, share / 2)
        enough = [plan for plan in plans[:-1] if self._has_power(difference, noise, plan, early)]
        plan, part = (enough[0], early) if enough else (plans[-1], share)
        wanted = {
            last.side: tuple(range(have[last.side], last.since + plan[0])),
            DEFAULT: tuple(range(have[DEFAULT], plan[1])),
        }
        why = f"{last.side} is {difference:+.4f} above the baseline so far, the noise is {noise:.4f}"
        return Round(Stage.JUDGING, wanted, last.side, last.since, part, why)

    def would_decide(self, rounds: Sequence[Round], results: Results) -> int | None:
        """Return how many further seeds of each side would show the gain if the difference stayed as it is.

        None if it is shown already, if the difference is not above `min_gain`, and if more than `MOST_FURTHER` would be
        needed.
        """
        looked = last_look(rounds) if rounds else None
        if looked is None or not self.ranking or self.significant(looked, results):
            return None
        difference, noise, _ = self._observed(looked, results)
        judged = len(self.gain(looked, results).challenger)
        base = len(results.get(DEFAULT, {}))
        share = _last_share(rounds)
        for more in range(1, MOST_FURTHER + 1):
            plan = (judged + more, base + more)
            if min(plan) >= OPENING_SEEDS and self._bound(difference, noise, plan, share) > self.gates.min_gain:
                return more
        return None

    def _has_power(self, difference: float, noise: float, plan: tuple[int, int], share: float) -> bool:
        """Return True if a look after a plan would show this difference with 90% power."""
        return self._bound(difference - FUTILITY_Z * noise * _width(plan), noise, plan, share) > self.gates.min_gain

    def _observed(self, last: Round, results: Results) -> tuple[float, float, float]:
        """Return difference to the default, noise and standard error: on the judged split, before that on val."""
        judged = {DEFAULT: 0, last.side: last.since}
        values = {
            side: [found.score.value for offset, found in seen.items() if offset >= judged.get(side, 0)]
            for side, seen in results.items()
        }
        if not values.get(last.side):  # a finalist just chosen: it has values on val only
            values = {side: [found.on_val for found in seen.values()] for side, seen in results.items()}
        ours, theirs = values.get(last.side, []), values.get(DEFAULT, [])
        noise = statistics.spread(values.values())
        if not ours or not theirs:
            return 0.0, noise, 0.0
        return mean(ours) - mean(theirs), noise, noise * _width((len(ours), len(theirs)))

    def _bound(self, difference: float, noise: float, plan: tuple[int, int], share: float) -> float:
        """Return the lower bound of this difference at a look after a plan."""
        level = 1 - (1 - self.gates.confidence) * share
        return difference - statistics.quantile(level, sum(plan) - 2) * noise * _width(plan)


def opened(spec: StudySpec, trials: Sequence[Trial]) -> ConfirmationPlan:
    """Return the contest of a study's trials against its baseline, which is trial 0.

    If no trial was trained to the end, the best of those trained longest is the only finalist.
    """
    given, metric = spec.confirm, spec.metric
    default = dict(trials[0].params)
    equals = [trial for trial in trials if trial.state is State.COMPLETED and not trial.changed]
    whole = equals or [best_trial(trials, metric)]
    ranking: dict[str, tuple[int, float]] = {}
    for trial in sorted(whole, key=lambda trial: (-(trial.best(metric) or 0.0), trial.number)):
        if dict(trial.params) != default:
            ranking.setdefault(str(sorted(trial.params.items())), (trial.number, trial.best(metric) or 0.0))
    return ConfirmationPlan(
        ranking=tuple(ranking.values()),
        default=trials[0].best(metric) if trials[0] in equals else None,
        gates=spec.laws,
        retrainings=spec.retrainings[1],
        finalists=MOST_FINALISTS if given.finalists == "auto" else given.finalists,
        seeds=None if given.seeds == "auto" else given.seeds,
    )


def _last_share(rounds: Sequence[Round]) -> float:
    """Return the share of the error that a last look after these rounds spends."""
    return (1 - sum(played.share for played in rounds)) * (1 - RESERVE)


def _width(plan: tuple[int, int]) -> float:
    """Return the standard error of a difference of means in units of the noise."""
    return sqrt(sum(1 / count for count in plan))


def _next_offset(rounds: Sequence[Round], side: str) -> int:
    return 1 + max((offset for played in rounds for offset in played.wanted.get(side, ())), default=-1)


def _plans(judged: int, default: int, left: int) -> list[tuple[int, int]]:
    """Return the useful seed counts of both sides, for up to `left` further re-trainings.

    Both sides get the same number, unless the default has more and `left` is too small to balance it.

    >>> _plans(3, 3, 4)
    [(4, 4), (5, 5)]
    >>> _plans(0, 3, 5)
    [(3, 3), (4, 4)]
    >>> _plans(1, 6, 3)
    [(4, 6)]
    """
    plans, plan = [], (judged, default)
    for _ in range(left):
        plan = (plan[0] + 1, plan[1]) if plan[0] < plan[1] else (plan[0], plan[1] + 1)
        plans.append(plan)
    sound = [plan for plan in plans if min(plan) >= OPENING_SEEDS]
    return [plan for plan in sound if plan[0] == plan[1]] or sound[-1:]
