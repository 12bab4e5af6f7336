"""Statistics: Welch's lower bound of a gain, pooled deviation, quantiles of Student's t, bounds of a rate. Pure."""

from collections.abc import Iterable, Sequence
from math import ceil, inf, log, log1p, sqrt
from statistics import mean, variance
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtr, ndtri, stdtr, stdtrit

from automl.study import Gain, Gates, Score

MIN_FOR_SPREAD: Final = 2
"""Scores of a side with which its variance can be estimated."""


def gain(challenger: Sequence[Score], default: Sequence[Score], *, confidence: float, share: float = 1.0) -> Gain:
    """Return the difference of the means and its one-sided lower bound (Welch's t; unequal variances).

    With several looks, each has a `share` of the error, 1 - `confidence`, as its level: the bounds are then valid
    together, however many looks there were (repeated confidence bounds, Jennison and Turnbull 1989). With fewer than
    two scores on a side the bound is minus infinity.
    """
    ours, theirs = [s.value for s in challenger], [s.value for s in default]
    difference = mean(ours) - mean(theirs) if ours and theirs else 0.0
    level = 1 - (1 - confidence) * share
    low = _lower_bound(ours, theirs, level) if min(len(ours), len(theirs)) >= MIN_FOR_SPREAD else -inf
    return Gain(difference, low, confidence, tuple(challenger), tuple(default))


def spread(groups: Iterable[Sequence[float]]) -> float:
    """Return the pooled standard deviation within groups; 0 if no group has two values.

    >>> round(spread([[1.0, 3.0], [7.0, 5.0], [9.0]]), 3)
    1.414
    """
    parts = [(variance(group) * (len(group) - 1), len(group) - 1) for group in groups if len(group) >= 2]
    freedom = sum(free for _, free in parts)
    return sqrt(sum(squares for squares, _ in parts) / freedom) if freedom else 0.0


def quantile(level: float, freedom: float) -> float:
    """Return the quantile of Student's t at probability `level`.

    >>> round(quantile(0.95, 4), 3)
    2.132
    """
    return float(stdtrit(freedom, level))


def _lower_bound(ours: Sequence[float], theirs: Sequence[float], confidence: float) -> float:
    """Return the one-sided lower bound of the difference of means by Welch's t; without any spread the difference."""
    difference, sides = mean(ours) - mean(theirs), (ours, theirs)
    parts = [variance(side) / len(side) for side in sides]
    if not sum(parts):
        return difference
    freedom = sum(parts) ** 2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides, strict=True))
    return difference - quantile(confidence, freedom) * sqrt(sum(parts))


def probabilities(values: npt.NDArray[np.float64], freedom: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the probabilities that Student's t is at most each value."""
    return np.asarray(stdtr(freedom, values))


def hoped_power(gain: Gain, gates: Gates, *, level: float, seeds: int) -> float:
    """Return the power of a look of this level at `seeds` of each side, if the gain were one standard error higher.

    1 with fewer than two scores of a side: nothing is known then. Without any spread it is 0 or 1.
    """
    sides = [[score.value for score in side] for side in (gain.challenger, gain.default)]
    counts = [len(side) for side in sides]
    if min(counts) < MIN_FOR_SPREAD:
        return 1.0
    error = sqrt(sum(variance(side) / len(side) for side in sides))
    if not error:
        return float(gain.difference > gates.min_gain)
    then = error * sqrt(2 / sum(1 / count for count in counts) / seeds)
    return float(ndtr((gain.difference + error - gates.min_gain) / then + ndtri(level)))


def convincing(gain: Gain, gates: Gates) -> bool:
    """Return True if tuned params are shown to be better than the baseline's.

    >>> convincing(Gain(0.1, 0.05, 0.9, (), ()), Gates(min_gain=0.02))
    True
    """
    return gain.low > gates.min_gain


def upper_bound(failures: int, tries: int, *, confidence: float) -> float:
    """Return the exact one-sided upper bound of a failure rate (Clopper and Pearson 1934); 1 without tries.

    >>> round(upper_bound(0, 598, confidence=0.95), 4)
    0.005
    """
    if failures >= tries:
        return 1.0
    return float(betaincinv(failures + 1, tries - failures, confidence))


def least_tries(rate: float, *, confidence: float) -> int:
    """Return the fewest tries, all without failure, that show a failure rate of at most `rate`, above 0 and below 1.

    >>> least_tries(0.005, confidence=0.95)
    598
    """
    return ceil(log(1 - confidence) / log1p(-rate))
