"""What a confirmation trains next: the opening, the choice among finalists, the judging. Pure, round by round.

The job runs a round, notes it in the journal, and asks again; `docs/decisions/0013` tells why each rule is as it is.
Trials are chosen on val alone, and the seeds that chose a trial never judge it.
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
"""Seeds of the best trial and of the default in the first round: the fewest whose spread says something."""
CHOOSING_SEEDS: Final = 2
"""Seeds of each further finalist; what it reached in the search counts as one more."""
JUDGING_KEPT: Final = 12
"""Re-trainings kept for judging, before any goes into choosing: fewer would miss a gain of twice the noise."""
REACH: Final = 1.5
"""A trial is a finalist if the search saw it at most so many times the noise below the best one."""
EARLY_SHARE: Final = 0.2
"""Part of the allowed error that a look before the last one spends; the last one has all that is left."""
RESERVE: Final = 0.1
"""Part of the error that is left at a last look and kept for a study whose `confirm.retrainings` is raised later."""
MOST_FINALISTS: Final = 4
"""Trials to choose among, where the description leaves it open."""
MOST_FURTHER: Final = 10
"""A verdict is called close where so many further seeds of each side would decide it."""
HOPE: Final = 1.28
"""How many standard errors above what was seen the gain is taken to be before it is given up (a 90% bound)."""


@dataclass(frozen=True, slots=True)
class Contest:
    """Who may win, and within which limits."""

    ranking: tuple[tuple[int, float], ...]
    """Trials of params other than the default's, number and best value on val, best first."""
    default: float | None
    """What the default's trial reached on val in the search."""
    gates: Gates
    retrainings: int
    """The most that may be spent."""
    finalists: int
    seeds: int | None = None
    """So many for winner and default and one look; None: as the noise asks for."""

    def next_round(self, rounds: Sequence[Round], results: Results) -> Round | None:
        """Return what to train after `rounds`, whose results are given; None when no more is needed."""
        if self.seeds == 0:
            return None
        if not rounds:
            return self._opening()
        last = rounds[-1]
        if not results.get(DEFAULT):  # nothing to compare with; a later session tries this round again
            return None
        if not self.ranking or (last.share and self.sure(last, results)):
            return None
        left = self.retrainings - sum(played.size for played in rounds)
        if last.stage is Stage.OPENING and self.seeds is None:
            return self._choosing(last, results, left) or self._judging(last, rounds, results)
        if last.stage is Stage.CHOOSING:
            last = self._choice(rounds, results)
        return self._judging(last, rounds, results)

    def gain(self, played: Round, results: Results) -> Gain:
        """Return what the look after a round sees: a bound that holds for all looks together."""
        ours = [found.score for offset, found in sorted(results.get(played.side, {}).items()) if offset >= played.since]
        theirs = [found.score for _, found in sorted(results.get(DEFAULT, {}).items())]
        return statistics.gain(ours, theirs, confidence=self.gates.confidence, share=played.share)

    def sure(self, played: Round, results: Results) -> bool:
        """Return True if the gain is sure after a round."""
        return convincing(self.gain(played, results), self.gates)

    def noise(self, results: Results) -> float:
        """Return the standard deviation over seeds of what params reach on val, pooled over all that were re-trained.

        The default's trial of the search counts: nobody picked it for its value. The finalists' do not.
        """
        own = {DEFAULT: [self.default]} if self.default is not None else {}
        groups = [[*own.get(side, []), *(found.on_val for found in seen.values())] for side, seen in results.items()]
        return statistics.spread(groups)

    def _opening(self) -> Round:
        count = self.seeds or max(2, min(OPENING_SEEDS, self.retrainings // 2))
        offsets = tuple(range(count))
        if not self.ranking:
            return Round(Stage.OPENING, {DEFAULT: offsets}, DEFAULT, share=1.0, why="the baseline's params won")
        side = side_of(self.ranking[0][0])
        share = EARLY_SHARE if self.retrainings >= 2 * count + 2 else 1 - RESERVE
        return Round(Stage.OPENING, {side: offsets, DEFAULT: offsets}, side, share=share)

    def _choosing(self, opening: Round, results: Results, left: int) -> Round | None:
        """Return the round in which the other finalists are trained, None where there is none."""
        noise = self.noise(results)
        best = self.ranking[0][1]
        places = min(self.finalists - 1, (left - JUDGING_KEPT) // CHOOSING_SEEDS)
        near = [number for number, value in self.ranking[1:] if best - value <= REACH * noise][: max(0, places)]
        if not near:
            return None
        why = f"noise {noise:.4f}: trials {', '.join(map(str, near))} are within {REACH:g} times of {opening.side}"
        wanted = {side_of(number): tuple(range(CHOOSING_SEEDS)) for number in near}
        return Round(Stage.CHOOSING, wanted, opening.side, why=why)

    def _choice(self, rounds: Sequence[Round], results: Results) -> Round:
        """Return the finalist that is best on val, to be judged on seeds that did not choose it."""
        seen = dict(self.ranking)
        sides = {side_of(number): number for number in seen if side_of(number) in results}
        if not sides:
            return rounds[-1]

        def height(side: str) -> float:
            again = [found.on_val for offset, found in results[side].items() if offset < CHOOSING_SEEDS]
            return mean([seen[sides[side]], *again])

        return replace(rounds[-1], side=max(sides, key=height), since=CHOOSING_SEEDS)

    def _judging(self, last: Round, rounds: Sequence[Round], results: Results) -> Round | None:
        """Return as many seeds as would show the gain seen, all that is left if so many, none if all were in vain."""
        left = self.retrainings - sum(played.size for played in rounds)
        share = _last_share(rounds)
        have = {side: _next_offset(rounds, side) for side in (last.side, DEFAULT)}
        judged = have[last.side] - last.since
        plans = _plans(judged, have[DEFAULT], left)
        difference, noise, error = self._seen(last, results)
        if not plans or self._bound(difference + HOPE * error, noise, plans[-1], share) <= self.gates.min_gain:
            return None
        early = min(EARLY_SHARE, share / 2)
        enough = [plan for plan in plans[:-1] if self._likely(difference, noise, plan, early)]
        plan, part = (enough[0], early) if enough else (plans[-1], share)
        wanted = {
            last.side: tuple(range(have[last.side], last.since + plan[0])),
            DEFAULT: tuple(range(have[DEFAULT], plan[1])),
        }
        why = f"{last.side} is {difference:+.4f} above the baseline so far, the noise is {noise:.4f}"
        return Round(Stage.JUDGING, wanted, last.side, last.since, part, why)

    def would_decide(self, rounds: Sequence[Round], results: Results) -> int | None:
        """Return how many further seeds of each side would show the gain, were the difference as it is now.

        None where it is shown already, where no difference above `min_gain` was seen, and where more than
        `MOST_FURTHER` would be needed.
        """
        looked = last_look(rounds) if rounds else None
        if looked is None or not self.ranking or self.sure(looked, results):
            return None
        difference, noise, _ = self._seen(looked, results)
        judged = len(self.gain(looked, results).challenger)
        base = len(results.get(DEFAULT, {}))
        share = _last_share(rounds)
        for more in range(1, MOST_FURTHER + 1):
            plan = (judged + more, base + more)
            if min(plan) >= OPENING_SEEDS and self._bound(difference, noise, plan, share) > self.gates.min_gain:
                return more
        return None

    def _likely(self, difference: float, noise: float, plan: tuple[int, int], share: float) -> bool:
        """Return True if a look after a plan would show this difference nine times in ten."""
        return self._bound(difference - HOPE * noise * _width(plan), noise, plan, share) > self.gates.min_gain

    def _seen(self, last: Round, results: Results) -> tuple[float, float, float]:
        """Return the difference to the default, the noise and the standard error: judged, or on val before that."""
        judged = {DEFAULT: 0, last.side: last.since}
        values = {
            side: [found.score.value for offset, found in seen.items() if offset >= judged.get(side, 0)]
            for side, seen in results.items()
        }
        if not values.get(last.side):  # a finalist just chosen: only val can tell
            values = {side: [found.on_val for found in seen.values()] for side, seen in results.items()}
        ours, theirs = values.get(last.side, []), values.get(DEFAULT, [])
        noise = statistics.spread(values.values())
        if not ours or not theirs:
            return 0.0, noise, 0.0
        return mean(ours) - mean(theirs), noise, noise * _width((len(ours), len(theirs)))

    def _bound(self, difference: float, noise: float, plan: tuple[int, int], share: float) -> float:
        """Return the lower bound that a look after a plan would have if it saw this difference."""
        level = 1 - (1 - self.gates.confidence) * share
        return difference - statistics.quantile(level, sum(plan) - 2) * noise * _width(plan)


def opened(spec: StudySpec, trials: Sequence[Trial]) -> Contest:
    """Return the contest of a study's trials against its baseline, which is trial 0.

    Where no trial was trained to the end, the one trained best and longest stands alone.
    """
    given, metric = spec.confirm, spec.metric
    default = dict(trials[0].params)
    equals = [trial for trial in trials if trial.state is State.COMPLETED and not trial.changed]
    whole = equals or [best_trial(trials, metric)]
    ranking: dict[str, tuple[int, float]] = {}
    for trial in sorted(whole, key=lambda trial: (-(trial.best(metric) or 0.0), trial.number)):
        if dict(trial.params) != default:
            ranking.setdefault(str(sorted(trial.params.items())), (trial.number, trial.best(metric) or 0.0))
    return Contest(
        ranking=tuple(ranking.values()),
        default=trials[0].best(metric) if trials[0] in equals else None,
        gates=spec.laws,
        retrainings=spec.retrainings[1],
        finalists=MOST_FINALISTS if given.finalists == "auto" else given.finalists,
        seeds=None if given.seeds == "auto" else given.seeds,
    )


def _last_share(rounds: Sequence[Round]) -> float:
    """Return the part of the allowed error that a last look after these rounds spends."""
    return (1 - sum(played.share for played in rounds)) * (1 - RESERVE)


def _width(plan: tuple[int, int]) -> float:
    """Return the standard error of a difference of means in units of the noise."""
    return sqrt(sum(1 / count for count in plan))


def _next_offset(rounds: Sequence[Round], side: str) -> int:
    return 1 + max((offset for played in rounds for offset in played.wanted.get(side, ())), default=-1)


def _plans(judged: int, default: int, left: int) -> list[tuple[int, int]]:
    """Return the seeds of both sides on which a look makes sense, for up to `left` further re-trainings.

    Both have the same number, unless the default is ahead and all that is left cannot make that up.

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
