"""Level of the looks of a sequential comparison: one level for all looks (Pocock 1977), by simulation. Pure.

A confirmation looks after pairs of seeds, one of each side, and stops as soon as Welch's test is significant. With the
same level at every look, the error of all looks together depends on how many there may be; `level` returns the one that
keeps it. Fewer looks than that, or a stop because a gain is out of reach, only lower the error.
"""

from functools import cache
from math import ceil, inf
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from automl.hpo import statistics

OPENING_SEEDS: Final = 3
"""Seeds of each side at the first look: the fewest that give a usable spread."""
CHOOSING_SEEDS: Final = 2
"""Seeds of each further finalist, by which one is chosen; its value in the search counts as one more."""
MOST_LOOKS: Final = 24
"""With more pairs than that, there are looks after several of them: more looks hardly lower the level."""
DRAWS: Final = 60_000
"""Simulated confirmations without a gain: the standard error of the error of all looks is 0.001."""
NOISIER: Final = 2.0
"""How much noisier one side may be than the other: Welch's test at three seeds a side has more than its error there."""

COMPUTED: Final = 2.0
"""P-values that cannot be below this multiple of the error are left out at first: the level has not been that high."""

Array = npt.NDArray[np.float64]


def step(pairs: int) -> int:
    """Return the pairs of seeds from one look to the next, with at most so many pairs.

    >>> step(20), step(100)
    (1, 5)
    """
    return max(1, ceil((pairs - OPENING_SEEDS) / MOST_LOOKS))


@cache
def level(pairs: int, *, finalists: int, error: float) -> float:
    """Return the level of every look, at which all looks up to `pairs` seeds of each side have the `error` together.

    With several finalists the worst case is assumed: they are equal in the search, and the seeds by which one is chosen
    have the same values on val as on the judged split. These seeds are part of the comparison: the level pays for it.
    """
    return min(
        _quantile(pairs, finalists, error=error, ratio=1.0),
        _quantile(pairs, 1, error=error, ratio=NOISIER),
    )


def _quantile(pairs: int, finalists: int, *, error: float, ratio: float) -> float:
    """Return the quantile at `error` of the least p-values over the looks; `ratio`: noise of the trials."""
    below = COMPUTED * error
    if below <= 0.5:
        least = _least(pairs, finalists, ratio=ratio, highest=NormalDist().inv_cdf(below))
        if np.quantile(least, error, method="higher") < below:
            return float(np.quantile(least, error))
    return float(np.quantile(_least(pairs, finalists, ratio=ratio, highest=inf), error))


def _least(pairs: int, finalists: int, *, ratio: float, highest: float) -> Array:
    """Return the least p-value over the looks of each simulated confirmation; 1 without a t below `highest`.

    `ratio` is the noise of the trials, that of the baseline is 1.
    """
    generator = np.random.default_rng(0)
    seeds = generator.standard_normal((finalists, OPENING_SEEDS, DRAWS)) * ratio
    ours = (seeds.mean(axis=1), _squares(seeds, axis=1))
    other = generator.standard_normal((OPENING_SEEDS, DRAWS))
    theirs = (other.mean(axis=0), _squares(other, axis=0))
    opening = (ours[0][0], ours[1][0])
    chosen = seeds[:, :CHOOSING_SEEDS].mean(axis=1).argmax(axis=0), np.arange(DRAWS)
    ours = (ours[0][chosen], ours[1][chosen])
    least = np.ones(DRAWS)
    for side in (opening, ours):
        _look(least, side, theirs, count=OPENING_SEEDS, highest=highest)
    count, more = OPENING_SEEDS, step(pairs)
    while count < pairs:
        more = min(more, pairs - count)
        ours = _with_more(ours, count, more, generator=generator, noise=ratio)
        theirs = _with_more(theirs, count, more, generator=generator, noise=1.0)
        count += more
        _look(least, ours, theirs, count=count, highest=highest)
    return least


def _squares(values: Array, *, axis: int) -> Array:
    """Return the sum of squared distances to the mean."""
    return np.asarray(values.var(axis=axis) * values.shape[axis])


def _with_more(
    side: tuple[Array, Array], count: int, more: int, *, generator: np.random.Generator, noise: float
) -> tuple[Array, Array]:
    """Return mean and sum of squares of a side after `more` seeds (Chan, Golub and LeVeque 1979)."""
    mean, squares = side
    away = generator.standard_normal(DRAWS) * noise / more**0.5 - mean
    if more > 1:
        squares = squares + generator.chisquare(more - 1, DRAWS) * noise**2
    total = count + more
    return mean + away * more / total, squares + away**2 * count * more / total


def _look(least: Array, ours: tuple[Array, Array], theirs: tuple[Array, Array], *, count: int, highest: float) -> None:
    """Lower `least` to the one-sided p-values of Welch's test for `count` seeds of each side, where t is low enough.

    Student's distribution takes most of the time. At a negative t it is above the normal one, so that a t of
    `highest` or more cannot have a lower p-value than the normal distribution at `highest`.
    """
    parts = [squares / (count - 1) / count for _, squares in (ours, theirs)]
    total = parts[0] + parts[1]
    values = (theirs[0] - ours[0]) / np.sqrt(total)
    low = np.flatnonzero(values < highest)
    freedom = total[low] ** 2 * (count - 1) / (parts[0][low] ** 2 + parts[1][low] ** 2)
    least[low] = np.minimum(least[low], statistics.probabilities(values[low], freedom))
