"""Sequential confirmation: which trials and seeds to retrain next (group-sequential test, futility stop). Pure.

Rounds: opening, choice among finalists on val alone, judging with a look after each few pairs of seeds. All looks have
one level, calculated so that together they have the allowed error (`looks.py`). `docs/decisions/0080` has the reason
of each rule. Confirmations of a number of `seeds`, those begun by an earlier version, and what follows when
`confirm.retrainings` is raised later, divide the error among their looks (decision 13); there the seeds that chose a
trial never judge it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Final

from automl.hpo import looks, statistics
from automl.hpo.error_spending import EARLY_SHARE, RESERVE, last_share, plans, width
from automl.hpo.looks import CHOOSING_SEEDS, OPENING_SEEDS
from automl.hpo.rounds import Results, Round, Stage, last_look, next_offset, side_of
from automl.hpo.selection import best_trial
from automl.hpo.statistics import convincing
from automl.study import Gain, Gates, State, Trial
from automl.study.confirmation_end import ConfirmationEnd, Why
from automl.study.results import DEFAULT
from automl.study.spec import StudySpec

RESERVED_FOR_JUDGING: Final = 12
"""Re-trainings reserved for judging, before any is used for choosing: fewer would miss a gain of twice the noise."""
FINALIST_RANGE: Final = 1.5
"""A trial is a finalist if its value in the search is at most this many times the noise below the best one."""
MOST_FINALISTS: Final = 4
"""Default number of finalists where the error is divided among the looks."""
FINALISTS_FROM: Final = ((48, 3), (24, 2))
"""Re-trainings from which there are so many finalists by default: with fewer, seeds of the best trial find more."""
MOST_PAIRS: Final = 4
"""Pairs of seeds from one look to the next at most, on however many slots: further ones are often not needed."""
LEAST_POWER: Final = 0.4
"""A comparison ends if a last look has less power than this at the observed gain plus its standard error."""
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
    finalists: int | None = None
    """The most finalists; None: by the number of re-trainings."""
    seeds: int | None = None
    """Seeds of winner and default, with one look; None: as the noise requires."""
    places: int = 1
    """Re-trainings that run at a time."""

    def next_round(self, rounds: Sequence[Round], results: Results) -> Round | None:
        """Return the round to train after `rounds` and their `results`; None if no more is needed."""
        if self.seeds == 0:
            return None
        if not rounds:
            return self._opening()
        last = rounds[-1]
        # Without results of the default there is nothing to compare with; a later session repeats this round.
        if not results.get(DEFAULT) or not self.ranking or (last.share and self.significant(last, results)):
            return None
        return (self._paired if last.planned else self._divided)(last, rounds, results)

    def _divided(self, last: Round, rounds: Sequence[Round], results: Results) -> Round | None:
        """Return the next round where the looks divide the error among them."""
        left = self.retrainings - sum(played.size for played in rounds)
        if last.stage is Stage.OPENING and self.seeds is None:
            most = (self.finalists or MOST_FINALISTS) - 1
            near = self._near(results, min(most, (left - RESERVED_FOR_JUDGING) // CHOOSING_SEEDS))
            return self._choosing(last, results, near) or self._judging(last, rounds, results)
        if last.stage is Stage.CHOOSING:
            last = replace(self._choice(rounds, results), since=CHOOSING_SEEDS)
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
        if self.seeds is None and self.retrainings >= 2 * OPENING_SEEDS:
            error = 1 - self.gates.confidence
            most = min(self._most_finalists(self.retrainings), len(self.ranking))
            level = looks.level(self.retrainings // 2, finalists=most, error=error * (1 - RESERVE))
            wanted = {side: offsets, DEFAULT: offsets}
            return Round(Stage.OPENING, wanted, side, share=level / error, planned=self.retrainings)
        share = EARLY_SHARE if self.retrainings >= 2 * count + 2 else 1 - RESERVE
        return Round(Stage.OPENING, {side: offsets, DEFAULT: offsets}, side, share=share)

    def _most_finalists(self, retrainings: int) -> int:
        """Return the most finalists where all looks have one level."""
        if self.finalists is None:
            return next((count for least, count in FINALISTS_FROM if retrainings >= least), 1)
        places = (retrainings - 2 * OPENING_SEEDS - RESERVED_FOR_JUDGING) // CHOOSING_SEEDS
        return min(self.finalists, 1 + max(0, places))

    def _near(self, results: Results, most: int) -> list[int]:
        """Return the other trials that the noise does not tell from the best one, at most so many."""
        noise, best = self.noise(results), self.ranking[0][1]
        return [number for number, value in self.ranking[1:] if best - value <= FINALIST_RANGE * noise][: max(0, most)]

    def _choosing(self, opening: Round, results: Results, near: Sequence[int]) -> Round | None:
        """Return the round that trains the other finalists, None if there is none."""
        if not near:
            return None
        trials = ", ".join(map(str, near))
        why = f"noise {self.noise(results):.4f}: trials {trials} are within {FINALIST_RANGE:g} times of {opening.side}"
        if opening.side not in results:
            why = f"no re-training of {opening.side} ended well"
        wanted = {side_of(number): tuple(range(CHOOSING_SEEDS)) for number in near}
        return Round(Stage.CHOOSING, wanted, opening.side, why=why, planned=opening.planned)

    def _choice(self, rounds: Sequence[Round], results: Results) -> Round:
        """Return the last round with the finalist that is best on val as its side."""
        seen = dict(self.ranking)
        sides = {side_of(number): number for number in seen if side_of(number) in results}
        if not sides:
            return rounds[-1]

        def mean_on_val(side: str) -> float:
            again = [found.on_val for offset, found in results[side].items() if offset < CHOOSING_SEEDS]
            return mean([seen[sides[side]], *again])

        return replace(rounds[-1], side=max(sides, key=mean_on_val))

    def _paired(self, last: Round, rounds: Sequence[Round], results: Results) -> Round | None:
        """Return the seeds up to the next look, None if none are left or a gain is out of reach.

        If `retrainings` was raised since the opening, further looks divide what is left of the error.
        """
        if last.stage is Stage.OPENING:
            near = self._near(results, self._most_finalists(last.planned) - 1)
            if last.side not in results:
                near = [number for number, _ in self.ranking[1:2]]
            if near:
                return self._choosing(last, results, near)
        if last.stage is Stage.CHOOSING:
            last = self._choice(rounds, results)
        if last.side not in results:
            return None
        have, most = self._pairs(last, rounds, min(last.planned, self.retrainings))
        if most <= have or (have >= OPENING_SEEDS and self._out_of_reach(last, results, rounds[0].share, most)):
            return self._judging(last, rounds, results) if self.retrainings > last.planned else None
        more = max(looks.step(last.planned // 2), min(self.places // 2, MOST_PAIRS))
        wanted = {
            side: tuple(range(next_offset(rounds, side), min(have + more, most))) for side in (last.side, DEFAULT)
        }
        difference, noise, _ = self._observed(last, results)
        why = f"{last.side} is {difference:+z.4f} above the baseline so far, the noise is {noise:.4f}"
        return Round(Stage.JUDGING, wanted, last.side, 0, rounds[0].share, why, last.planned)

    def _pairs(self, last: Round, rounds: Sequence[Round], retrainings: int) -> tuple[int, int]:
        """Return the seeds that both sides have, and the most that both can have."""
        have = [next_offset(rounds, side) for side in (last.side, DEFAULT)]
        left = retrainings - sum(played.size for played in rounds)
        return min(have), (sum(have) + left) // 2 if sum(have) + left >= 2 * max(have) else min(have)

    def _out_of_reach(self, last: Round, results: Results, share: float, most: int) -> bool:
        """Return True if a look at `most` seeds of each side is unlikely to show the observed gain."""
        gain = self.gain(replace(last, share=share), results)
        level = (1 - self.gates.confidence) * share
        return statistics.hoped_power(gain, self.gates, level=level, seeds=most) < LEAST_POWER

    def end(self, rounds: Sequence[Round], results: Results) -> ConfirmationEnd | None:
        """Return at which look and why there is no further round; None if nothing was compared."""
        if not rounds or not self.ranking:
            return None
        looked, count = last_look(rounds), sum(played.share > 0 for played in rounds)
        have, most = self._pairs(looked, rounds, self.retrainings)
        if self.significant(looked, results):
            return ConfirmationEnd(count, Why.SHOWN)
        return ConfirmationEnd(count, Why.UNREACHABLE if most > have else Why.SPENT)

    def _judging(self, last: Round, rounds: Sequence[Round], results: Results) -> Round | None:
        """Return the seeds needed to show the observed gain, at most all left; None if those cannot (futility)."""
        left = self.retrainings - sum(played.size for played in rounds)
        share = last_share(rounds)
        have = {side: next_offset(rounds, side) for side in (last.side, DEFAULT)}
        judged = have[last.side] - last.since
        found = plans(judged, have[DEFAULT], left)
        difference, noise, error = self._observed(last, results)
        if not found or self._bound(difference + FUTILITY_Z * error, noise, found[-1], share) <= self.gates.min_gain:
            return None
        early = min(EARLY_SHARE, share / 2)
        enough = [plan for plan in found[:-1] if self._has_power(difference, noise, plan, early)]
        plan, part = (enough[0], early) if enough else (found[-1], share)
        wanted = {
            last.side: tuple(range(have[last.side], last.since + plan[0])),
            DEFAULT: tuple(range(have[DEFAULT], plan[1])),
        }
        why = f"{last.side} is {difference:+z.4f} above the baseline so far, the noise is {noise:.4f}"
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
        share = last_share(rounds)
        for more in range(1, MOST_FURTHER + 1):
            plan = (judged + more, base + more)
            if min(plan) >= OPENING_SEEDS and self._bound(difference, noise, plan, share) > self.gates.min_gain:
                return more
        return None

    def _has_power(self, difference: float, noise: float, plan: tuple[int, int], share: float) -> bool:
        """Return True if a look after a plan would show this difference with 90% power."""
        return self._bound(difference - FUTILITY_Z * noise * width(plan), noise, plan, share) > self.gates.min_gain

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
        return mean(ours) - mean(theirs), noise, noise * width((len(ours), len(theirs)))

    def _bound(self, difference: float, noise: float, plan: tuple[int, int], share: float) -> float:
        """Return the lower bound of this difference at a look after a plan."""
        level = 1 - (1 - self.gates.confidence) * share
        return difference - statistics.quantile(level, sum(plan) - 2) * noise * width(plan)


def opened(
    spec: StudySpec, trials: Sequence[Trial], *, places: int = 1, begun: Sequence[Round] = ()
) -> ConfirmationPlan:
    """Return the contest of a study's trials against its baseline, trial 0; `places` re-trainings run at a time.

    A confirmation whose `begun` rounds are those of an earlier version keeps that version's limit.

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
        retrainings=spec.former_retrainings if begun and not begun[0].planned else spec.retrainings[1],
        finalists=None if given.finalists == "auto" else given.finalists,
        seeds=None if given.seeds == "auto" else given.seeds,
        places=places,
    )
