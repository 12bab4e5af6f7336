"""Ladders that learn from the study's own curves: which rung compares, and how far trials climb. Not in the product.

`SeeingAsha`: a rung compares trials only while its ranks agree with later ones. Of the trials that were measured at a
rung and at the next one (or at the end), the share of pairs in the same order has a beta prior with the mean of
`PRIOR_ORDER` and the weight of `PRIOR_PAIRS` pairs; where the upper end of its interval is below `LEAST_ORDER` the rung
is passed by all. `EagerAsha`: the same with a prior of one pair and the median in place of the upper end. `RatioAsha`:
a rung compares only if the first trial, which passes all rungs, had there at least the share `LEAST_SHARE` of its best
value. `GrowingAsha`: PASHA's rule (Bohdal et al. 2023, arXiv:2207.06940) on top of the project's own: beyond the second
rung a trial advances only once the ranks of the two highest open rungs differ.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from math import inf
from typing import Final

from scipy.stats import beta

from automl.hpo.asha import Decision, PausingAsha, Rung
from automl.hpo.front_rung import FrontRung
from automl.study import Answer

PRIOR_ORDER: Final = 0.75
PRIOR_PAIRS: Final = 6.0
LEAST_ORDER: Final = 0.6
UPPER: Final = 0.9
"""Level of the one-sided interval."""
EFFECTIVE: Final = 0.5
"""Independent pairs for each trial but the first: n trials make n (n - 1) / 2 pairs, but those with a trial in common
depend on each other."""
LEAST_SHARE: Final = 0.2


class FreeingAsha(PausingAsha):
    """Promotion ASHA in which some rungs let all pass."""

    first_passes = False
    """Whether the first trial passes every rung."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)  # type: ignore[arg-type]
        self.ends: dict[int, float] = {}
        """Final value of each trial that came to its end."""

    def blind(self, rung: Rung | FrontRung) -> bool:  # noqa: ARG002
        """Return True if a rung lets all pass."""
        return False

    def judge(self, trial: int, *, epoch: int, value: float, loss: float = inf) -> Decision:
        """Let a trial pass where the rung is blind."""
        rung = self._rungs[epoch]
        if (self.first_passes and trial == 0) or self.blind(rung):
            rung.add(trial, value=value, loss=loss)
            rung.advance(trial)
            return Decision(Answer.CONTINUE, "passes")
        return super().judge(trial, epoch=epoch, value=value, loss=loss)

    def seen(self, rung: Rung | FrontRung, later: Rung | FrontRung | None) -> list[tuple[float, float]]:
        """Return the values at a rung and later of the trials that have both."""
        there = self.ends if later is None else {trial: place[0] for trial, place in later.entries.items()}
        return [(rung.entries[trial][0], value) for trial, value in there.items() if trial in rung.entries]


class SeeingAsha(FreeingAsha):
    """A rung compares while its ranks agree with later ones."""

    prior, level = PRIOR_PAIRS, UPPER

    def blind(self, rung: Rung | FrontRung) -> bool:
        """Return True if few pairs are in the same order later."""
        rungs = [*self._rungs.values()]
        place = rungs.index(rung)
        later = rungs[place + 1] if place + 1 < len(rungs) else None
        return agreement(self.seen(rung, later), level=self.level, prior=self.prior) < LEAST_ORDER


class EagerAsha(SeeingAsha):
    """The same, sooner convinced that a rung says nothing."""

    prior, level = 1.0, 0.5


class RatioAsha(FreeingAsha):
    """A rung compares if the first trial has learned something there."""

    first_passes = True

    def blind(self, rung: Rung | FrontRung) -> bool:
        """Return True if the first trial had next to nothing there."""
        end = self.ends.get(0)
        return end is not None and rung.entries[0][0] < LEAST_SHARE * end


class GrowingAsha(FreeingAsha):
    """Trials climb beyond the second rung only once the ranks of the highest open rungs differ."""

    released = False
    """Whether all rungs are open, as in the last part of the budget."""

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)
        self._height = 2

    def _advanceable(self) -> Iterator[tuple[Rung | FrontRung, int]]:
        rungs = [*self._rungs.values()]
        while self._height <= len(rungs) and differ(self.seen(rungs[self._height - 2], rungs[self._height - 1])):
            self._height += 1
        closed = set() if self.released else {rung.epoch for rung in rungs[self._height - 1 :]}
        yield from (pair for pair in super()._advanceable() if pair[0].epoch not in closed)


def agreement(pairs: list[tuple[float, float]], *, level: float = UPPER, prior: float = PRIOR_PAIRS) -> float:
    """Return the upper end of the interval of the share of pairs that are in the same order later.

    >>> agreement([(n, n) for n in range(9)]) > agreement([(n, -n) for n in range(9)])
    True
    """
    compared = [(one[0] - other[0]) * (one[1] - other[1]) for one, other in combinations(pairs, 2)]
    same, other = sum(one > 0 for one in compared), sum(one < 0 for one in compared)
    weight = EFFECTIVE * (len(pairs) - 1) / max(len(compared), 1)
    alpha = PRIOR_ORDER * prior + weight * same
    return float(beta.ppf(level, alpha, (1 - PRIOR_ORDER) * prior + weight * other))


def differ(pairs: list[tuple[float, float]]) -> bool:
    """Return True if the best two trials of the higher rung stood in another order on the lower one.

    >>> differ([(0.1, 0.3), (0.2, 0.2)]), differ([(0.1, 0.2), (0.2, 0.3)])
    (True, False)
    """
    leading = sorted(pairs, key=lambda pair: -pair[1])[:3]
    return any(before[0] < after[0] for before, after in pairwise(leading))
