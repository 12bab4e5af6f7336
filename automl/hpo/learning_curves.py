"""Learning-curve extrapolation: the final best value of each unfinished trial, with an 80% interval.

Used to impute, show and stop by final values. Pure: epochs and values only.

The gain still to come, as a share of the study's spread and of the epochs left, is log-normal. Its centre and width
come from a linear prior over shape (fitted once to public curves, `benchmarks/curve_prior.py`), corrected by the
study's own longer curves that were similar at the same epoch. Epochs are processed from the last to the first, so that
a trial which stopped later contributes its own forecast: only good trials continue, and a mean over those that finished
would overrate the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, nan
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float64]
Curve: TypeAlias = Sequence[float] | Vector
"""The value of each epoch of a trial."""

OFFSET: Final = 0.003
"""Added to a gain before the logarithm: gains below this share of the study's spread count as equal."""
MOST: Final = 6.0
"""Upper clip of log gains."""
CENTRE: Final = (
    1.534, 0.8, 0.16, -0.054, 0.522, 0.463, 1.366,
    -0.14, -0.203, 2.333, 0.78, -0.223, 0.012, 0.152,
)  # fmt: skip
WIDTH: Final = (
    -0.159, 0.077, -0.011, 0.092, 0.254, -0.332, -0.506,
    0.349, -0.099, 1.038, 0.141, 0.011, 0.137, -0.038,
)  # fmt: skip
"""The prior's centre and log width of the log gain, one coefficient per column of `features`."""
SIMILARITY_SCALES: Final = ((3, 0.67), (4, 1.17), (5, 0.73))
"""Similarity of two trials: columns of `features` and their length scales."""
NOISE: Final = 0.7
"""The prior variance within a study, in squared widths; weighted like `NOISE_WEIGHT` trials."""
NOISE_WEIGHT: Final = 6.0
SMALLEST: Final = 0.3
"""The least weight of a trial whose final value is itself a forecast."""
FLAT: Final = 0.01
"""A trial that changed by less than this share of the spread has learned nothing; the share of these is a feature."""
MOST_CURVES: Final = 1000
"""If more trials were trained further, only every second, third … is used."""
BLOCK: Final = 1000
"""Trials that are compared with others at a time: bounds the memory of a table of thousands."""
SHARED: Final = 0.05
"""The prior variance of the error common to all trials of a study."""
LOCAL: Final = 0.5
"""The prior variance of the error common to similar trials."""
LOWER: Final = 1.2
UPPER: Final = 1.8
ONE_SIDED: Final = 0.5
"""Ends of the interval in widths below and above the centre, and its upper end if the lower one is the value that the
trial already has. Chosen for 80% coverage on the tasks of the prior: normal quantiles cover less."""
FINE_TUNING: Final = (0.3, 0.4, 0.4)
"""The share of the forecast gain at the low end, the centre and the high end that fine-tuned detectors reach."""
NODES: Final = np.array([-1.645, -1.036, -0.674, -0.385, -0.126, 0.126, 0.385, 0.674, 1.036, 1.645])
"""Ten equally likely values of a standard normal variable."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of a trial's best value at the last epoch."""

    final: float
    """The median."""
    low: float
    high: float
    """The ends of the 80% interval; if `low` is the trial's present value, the remaining 20% are above `high`."""


@dataclass(frozen=True, slots=True)
class Known:
    """A study's curves that have at least one value."""

    best: Vector
    """(trials, epochs): the best value so far; NaN before the first value, the last one repeated after the end."""
    epochs: npt.NDArray[np.int64]
    first: Vector
    last: Vector
    rival: Vector
    """The best value of the other trials."""
    median: float
    scale: float
    """The spread of the study's values, the unit of all gains; 0 if all are the same."""


def forecast(curves: Sequence[Curve], max_epochs: int, *, ceiling: float = inf) -> list[Forecast]:
    """Return the forecast of each trial of a study at `max_epochs`.

    Args:
        curves: the value of each epoch of each trial, higher is better, NaN where none was measured. A curve without a
            value is a trial that has not started.
        max_epochs: the last epoch of a trial.
        ceiling: the highest possible value (1 for mAP); nothing else is assumed about the metric's unit or zero.

    If all values are the same, `high` is the ceiling.

    >>> forecast([[0.1, 0.3, 0.4], [0.2, 0.2]], 3)[0]
    Forecast(final=0.4, low=0.4, high=0.4)
    """
    shown = [index for index, curve in enumerate(curves) if _has_value(curve)]
    if not shown:
        return [Forecast(nan, -inf, ceiling)] * len(curves)
    known = study_of([curves[index] for index in shown], max_epochs)
    centres, widths = predict(known, max_epochs)
    open_ended = known.epochs < max_epochs
    unit = known.scale * _ahead(known, max_epochs)
    found = np.stack([known.last + unit * gain for gain in interval(centres, widths)], axis=1)
    if not known.scale:
        found[open_ended, 2] = inf
    found = np.clip(found, known.last[:, None], np.maximum(ceiling, known.last)[:, None])
    answers = [_newcomer(known, unit[:, None] * _gain(centres[:, None] + widths[:, None] * NODES), ceiling)] * len(
        curves
    )
    for index, (low, final, high) in zip(shown, found.tolist(), strict=True):
        answers[index] = Forecast(final, low, high)
    return answers


def of_fine_tuning(found: Forecast, *, best: float) -> Forecast:
    """Return a forecast calibrated to detectors that are fine-tuned from weights.

    Their remaining gain is smaller than that of the tasks to which the prior was fitted. The shares were chosen on one
    real data set for the least error and 80% coverage; they cover 85% on another, against 54% without
    (`benchmarks/detector_forecasts.py`; decision 14). `best` is the trial's best value so far.

    >>> of_fine_tuning(Forecast(0.5, 0.4, 0.8), best=0.3)
    Forecast(final=0.38, low=0.33, high=0.5)
    """
    low, final, high = (
        round(best + share * max(value - best, 0.0), 12)
        for share, value in zip(FINE_TUNING, (found.low, found.final, found.high), strict=True)
    )
    return Forecast(final, low, high)


def study_of(curves: Sequence[Curve], max_epochs: int) -> Known:
    """Return curves, each with at least one finite value, as one study."""
    lengths = np.array([len(curve) for curve in curves])
    values = np.full((len(curves), int(lengths.max())), nan)
    values[np.arange(values.shape[1]) < lengths[:, None]] = np.concatenate(
        [np.asarray(curve, float) for curve in curves]
    )
    values[~np.isfinite(values)] = nan
    best = np.fmax.accumulate(values, axis=1, out=values)
    last = best[:, -1]
    first = best[np.arange(len(best)), np.isfinite(best).argmax(axis=1)]
    ranked = np.sort(last)
    rival = np.where(last == ranked[-1], ranked[-2:][0], ranked[-1])
    scale = _spread(ranked, last - first)
    return Known(best, np.minimum(lengths, max_epochs), first, last, rival, float(np.median(last)), scale)


def _has_value(curve: Curve) -> bool:
    """Return True if a curve has a finite value; most end with one."""
    return len(curve) > 0 and (isfinite(curve[-1]) or bool(np.isfinite(curve).any()))


def _spread(ranked: Vector, moved: Vector) -> float:
    """Return the unit of gains, from the median to the top: a few diverged trials must not enlarge it."""
    top = float(ranked[-1])
    spread = min(top - float(np.median(ranked)), 10 * (top - float(np.quantile(ranked, 0.75))))
    scale = max(spread, float(np.median(moved)) / len(ranked))
    return scale if scale > 1e-9 * float(np.abs(ranked[-1])) else 0.0


def predict(known: Known, max_epochs: int) -> tuple[Vector, Vector]:
    """Return centre and width of each trial's log gain, scaled to all epochs."""
    share = _ahead(known, max_epochs)
    centres, widths = np.full(len(known.last), np.log(OFFSET)), np.zeros(len(known.last))
    if not known.scale:
        return centres, widths
    for epoch in np.unique(known.epochs[known.epochs < max_epochs])[::-1].tolist():
        there = np.isfinite(known.best[:, epoch - 1])
        asking, ahead = np.flatnonzero(there & (known.epochs == epoch)), np.flatnonzero(there & (known.epochs > epoch))
        ahead = ahead[:: 1 + len(ahead) // MOST_CURVES]
        rows = np.concatenate([asking, ahead])
        asks = np.arange(len(rows)) < len(asking)
        shape = features(known, rows, epoch, max_epochs)
        centre, width = shape @ np.array(CENTRE), np.exp(np.clip(shape @ np.array(WIDTH), -3.0, 1.5))
        gains = (known.last[ahead] - known.best[ahead, epoch - 1])[:, None] / known.scale
        gains = gains + share[ahead, None] * _gain(centres[ahead, None] + widths[ahead, None] * NODES)
        logs = np.log(np.minimum(gains / (1 - epoch / max_epochs), np.exp(MOST)) + OFFSET)
        off = (logs.mean(axis=1) - centre[~asks]) / width[~asks]
        doubt = logs.var(axis=1) / width[~asks] ** 2
        shift, variance = correction(_places(shape[asks]), _places(shape[~asks]), off, doubt)
        centres[asking] = centre[asks] + width[asks] * shift
        widths[asking] = width[asks] * np.sqrt(variance)
    return centres, widths


def features(known: Known, rows: npt.NDArray[np.intp], epoch: int, max_epochs: int) -> Vector:
    """Return (rows, columns): features of trials at an epoch, in logs of shares of the study's spread."""

    def log(gain: Vector, offset: float = OFFSET) -> Vector:
        return np.asarray(np.log(np.clip(gain / known.scale, 0, 1e3) + offset))

    now = known.best[rows, epoch - 1]
    third, half = (known.best[rows, -(-epoch * share // 3) - 1] for share in (1, 2))
    third = np.where(np.isnan(third), now, third)
    half = np.where(np.isnan(half), third, half)
    one = np.ones(len(rows))
    flat = np.mean(known.last - known.first <= FLAT * known.scale)
    late = np.log(epoch / max_epochs)
    moving = [log(known.rival[rows] - now, 0.03), log(now - third), log(now - half)]
    place = [
        one * (epoch == 1),
        log(now - known.median, 0.1),
        one * np.log(len(known.last)),
        flat * one,
        flat * moving[2],
    ]
    return np.column_stack([one, one * late, one * late**2, *moving, *place, *(late * column for column in moving)])


def correction(asked: Vector, known: Vector, off: Vector, doubt: Vector) -> tuple[Vector, Vector]:
    """Return the correction of the prior for the trials asked for, and its variance, in widths (Gaussian process).

    Args:
        asked: (trials, places) of the trials to forecast.
        known: (others, places) of those that have gone further.
        off: the prior's error for each of these.
        doubt: the variance of `off`, not 0 if the final value is itself a forecast: such a trial has less weight.
    """
    weight = np.clip(1 - doubt / (NOISE + SHARED), SMALLEST, 1)
    total = weight.sum() + NOISE / SHARED
    shared = float((weight * off).sum() / total)
    parts = [_alike(asked[at : at + BLOCK], known, weight, off - shared, doubt) for at in range(0, len(asked), BLOCK)]
    count, pull, squares = (np.concatenate(part) for part in zip(*parts, strict=True))
    shift = pull / (count + NOISE / LOCAL)
    scatter = squares - 2 * shift * pull + shift**2 * count
    noise = (NOISE_WEIGHT * NOISE + np.maximum(scatter, 0)) / (NOISE_WEIGHT + count)
    return shared + shift, noise * (1 + 1 / total + 1 / (count + NOISE / LOCAL))


def _alike(asked: Vector, known: Vector, weight: Vector, off: Vector, doubt: Vector) -> tuple[Vector, Vector, Vector]:
    """Return the weight of similar trials of each one asked for, and the sums of their errors and of the squares."""
    apart = (asked**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * asked @ known.T
    alike = np.exp(-np.maximum(apart, 0) / 2) * weight
    return alike.sum(axis=1), alike @ off, alike @ (off**2 + doubt)


def interval(centres: Vector, widths: Vector) -> tuple[Vector, Vector, Vector]:
    """Return lower end, median and upper end of the gains, as shares of the study's spread."""
    low, high = _gain(centres - LOWER * widths), _gain(centres + UPPER * widths)
    return low, _gain(centres), np.where(low > 0, high, _gain(centres + ONE_SIDED * widths))


def _ahead(known: Known, max_epochs: int) -> Vector:
    """Return the share of epochs that each trial has left; with none left the gain is 0."""
    return np.asarray(1 - known.epochs / max_epochs)


def _places(shape: Vector) -> Vector:
    return np.column_stack([shape[:, column] / distance for column, distance in SIMILARITY_SCALES])


def _gain(logs: Vector) -> Vector:
    return np.asarray(np.maximum(np.exp(np.minimum(logs, MOST)) - OFFSET, 0))


def _newcomer(known: Known, gains: Vector, ceiling: float) -> Forecast:
    """Return the forecast of a trial that has not started: the mixture of the study's trials."""
    if not known.scale:
        return Forecast(known.median, -inf, ceiling)
    low, final, high = np.quantile(known.last[:, None] + gains, (0.1, 0.5, 0.9)).tolist()
    return Forecast(min(final, ceiling), min(low, ceiling), min(high, ceiling))
