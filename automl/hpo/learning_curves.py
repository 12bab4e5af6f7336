"""What unfinished trials will reach: the final best value of each learning curve, with an interval that holds 80%.

Called by whoever imputes finals, shows them or stops by them; it knows epochs and values, nothing else. Pure.

The gain still to come, as a share of the study's spread and of the epochs left, is log-normal. Its centre and width
come from a linear prior over shape (fitted once to public curves, `benchmarks/curve_prior.py`), corrected by the
study's own longer curves: those that stood alike at the same epoch. Epochs are done from the last to the first, so that
a trial which stopped later speaks with its own forecast: only good trials go on, and a mean over those that finished
would overrate the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Vector: TypeAlias = npt.NDArray[np.float64]

OFFSET: Final = 0.003
"""Added to a gain before the logarithm: below this share of the study's spread, gains are alike."""
MOST: Final = 6.0
"""The largest log gain that is told from a larger one."""
CENTRE: Final = (
    1.534, 0.8, 0.16, -0.054, 0.522, 0.463, 1.366,
    -0.14, -0.203, 2.333, 0.78, -0.223, 0.012, 0.152,
)  # fmt: skip
WIDTH: Final = (
    -0.159, 0.077, -0.011, 0.092, 0.254, -0.332, -0.506,
    0.349, -0.099, 1.038, 0.141, 0.011, 0.137, -0.038,
)  # fmt: skip
"""The prior's centre and log width of the log gain, one coefficient a column of `features`."""
LIKENESS: Final = ((3, 0.67), (4, 1.17), (5, 0.73))
"""By which columns of `features` two trials are alike: column and distance."""
NOISE: Final = 0.7
"""The prior variance within a study, in squared widths; it weighs as much as `NOISE_WEIGHT` trials."""
NOISE_WEIGHT: Final = 6.0
SMALLEST: Final = 0.3
"""The least weight of a trial whose end is itself a forecast."""
FLAT: Final = 0.01
"""A trial that moved by less than this share of the spread has learnt nothing; how many have tells studies apart."""
CROWD: Final = 1000
"""Of more trials that have gone further, every second, third … is heard."""
SHARED: Final = 0.05
"""The prior variance of what all trials of a study have in common."""
LOCAL: Final = 0.5
"""The prior variance of what trials that are alike have in common."""
LOWER: Final = 1.2
UPPER: Final = 1.8
ONE_SIDED: Final = 0.5
"""How many widths below and above the centre the interval ends, and where its upper end lies when its lower one is the
value that the trial has already. Chosen for 80% on the tasks of the prior: the ends of a normal variable hold less."""
FINE_TUNING: Final = (0.3, 0.4, 0.4)
"""The share of the forecast gain at the low end, the centre and the high end that fine-tuned detectors reach."""
NODES: Final = np.array([-1.645, -1.036, -0.674, -0.385, -0.126, 0.126, 0.385, 0.674, 1.036, 1.645])
"""Ten equally likely values of a standard normal variable."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The best value a trial will have shown at the last epoch."""

    final: float
    """As likely exceeded as not reached."""
    low: float
    high: float
    """The ends of the 80% interval; where `low` is what the trial has already, the 20% lie above `high`."""


@dataclass(frozen=True, slots=True)
class Known:
    """A study's curves that show at least one value."""

    best: Vector
    """(trials, epochs): the best value so far; NaN before the first, the last one carried on after the end."""
    epochs: npt.NDArray[np.int64]
    first: Vector
    last: Vector
    rival: Vector
    """The best value of the other trials."""
    median: float
    scale: float
    """The spread of the study's values, the unit of all gains; 0 where all are the same."""


def forecast(curves: Sequence[Sequence[float]], max_epochs: int, *, ceiling: float = inf) -> list[Forecast]:
    """Return what each trial of a study will have reached at `max_epochs`.

    Args:
        curves: the value of each epoch of each trial, higher is better, NaN where none was measured. A curve without a
            value is taken for a trial still to come.
        max_epochs: where a trial has finished.
        ceiling: no value is higher (1 for mAP); nothing else is assumed about the metric's unit or zero.

    Where all values are the same, nothing tells how far one may rise: `high` is the ceiling.

    >>> forecast([[0.1, 0.3, 0.4], [0.2, 0.2]], 3)[0]
    Forecast(final=0.4, low=0.4, high=0.4)
    """
    shown = [index for index, curve in enumerate(curves) if np.isfinite(curve).any()]
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

    There the gain still to come is smaller than the prior, fitted to other tasks, expects. The shares of it were chosen
    on one real data set for the least error and 80% coverage, and hold 85% on another, instead of 54% without
    (`benchmarks/detector_forecasts.py`; decision 14). `best` is what the trial has reached.

    >>> of_fine_tuning(Forecast(0.5, 0.4, 0.8), best=0.3)
    Forecast(final=0.38, low=0.33, high=0.5)
    """
    low, final, high = (
        round(best + share * max(value - best, 0.0), 12)
        for share, value in zip(FINE_TUNING, (found.low, found.final, found.high), strict=True)
    )
    return Forecast(final, low, high)


def study_of(curves: Sequence[Sequence[float]], max_epochs: int) -> Known:
    """Return curves, each with at least one finite value, as one study."""
    lengths = np.array([len(curve) for curve in curves])
    values = np.full((len(curves), int(lengths.max())), nan)
    values[np.arange(values.shape[1]) < lengths[:, None]] = np.concatenate(
        [np.asarray(curve, float) for curve in curves]
    )
    best = np.fmax.accumulate(np.where(np.isfinite(values), values, nan), axis=1)
    last = best[:, -1]
    first = best[np.arange(len(best)), np.isfinite(best).argmax(axis=1)]
    ranked = np.sort(last)
    rival = np.where(last == ranked[-1], ranked[-2:][0], ranked[-1])
    scale = _spread(ranked, last - first)
    return Known(best, np.minimum(lengths, max_epochs), first, last, rival, float(np.median(last)), scale)


def _spread(ranked: Vector, moved: Vector) -> float:
    """Return the unit of gains: from the median to the top, lest a few diverged trials make it large."""
    top = float(ranked[-1])
    spread = min(top - float(np.median(ranked)), 10 * (top - float(np.quantile(ranked, 0.75))))
    scale = max(spread, float(np.median(moved)) / len(ranked))
    return scale if scale > 1e-9 * float(np.abs(ranked[-1])) else 0.0


def predict(known: Known, max_epochs: int) -> tuple[Vector, Vector]:
    """Return centre and width of the log gain that each trial has still before it, had it all epochs for it."""
    share = _ahead(known, max_epochs)
    centres, widths = np.full(len(known.last), np.log(OFFSET)), np.zeros(len(known.last))
    if not known.scale:
        return centres, widths
    for epoch in np.unique(known.epochs[known.epochs < max_epochs])[::-1].tolist():
        there = np.isfinite(known.best[:, epoch - 1])
        asking, ahead = np.flatnonzero(there & (known.epochs == epoch)), np.flatnonzero(there & (known.epochs > epoch))
        ahead = ahead[:: 1 + len(ahead) // CROWD]
        rows = np.concatenate([asking, ahead])
        asks = np.arange(len(rows)) < len(asking)
        shape = features(known, rows, epoch, max_epochs)
        centre, width = shape @ np.array(CENTRE), np.exp(np.clip(shape @ np.array(WIDTH), -3.0, 1.5))
        gains = (known.last[ahead] - known.best[ahead, epoch - 1])[:, None] / known.scale
        gains = gains + share[ahead, None] * _gain(centres[ahead, None] + widths[ahead, None] * NODES)
        told = np.log(np.minimum(gains / (1 - epoch / max_epochs), np.exp(MOST)) + OFFSET)
        off = (told.mean(axis=1) - centre[~asks]) / width[~asks]
        doubt = told.var(axis=1) / width[~asks] ** 2
        shift, variance = correction(_places(shape[asks]), _places(shape[~asks]), off, doubt)
        centres[asking] = centre[asks] + width[asks] * shift
        widths[asking] = width[asks] * np.sqrt(variance)
    return centres, widths


def features(known: Known, rows: npt.NDArray[np.intp], epoch: int, max_epochs: int) -> Vector:
    """Return (rows, columns): how trials stood at an epoch, in logs of shares of the study's spread."""

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
    """Return how far off the prior is where it is asked, and the variance of that, in widths.

    Args:
        asked: (trials, places) whose future is asked for.
        known: (others, places) that have gone further.
        off: how far the prior was off for each of these.
        doubt: the variance of `off`, not 0 where its end is itself a forecast: such a trial counts for less.
    """
    weight = np.clip(1 - doubt / (NOISE + SHARED), SMALLEST, 1)
    total = weight.sum() + NOISE / SHARED
    shared = float((weight * off).sum() / total)
    apart = (asked**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * asked @ known.T
    alike = np.exp(-np.maximum(apart, 0) / 2) * weight
    count = alike.sum(axis=1)
    pull = alike @ (off - shared)
    shift = pull / (count + NOISE / LOCAL)
    scatter = alike @ ((off - shared) ** 2 + doubt) - 2 * shift * pull + shift**2 * count
    noise = (NOISE_WEIGHT * NOISE + np.maximum(scatter, 0)) / (NOISE_WEIGHT + count)
    return shared + shift, noise * (1 + 1 / total + 1 / (count + NOISE / LOCAL))


def interval(centres: Vector, widths: Vector) -> tuple[Vector, Vector, Vector]:
    """Return lower end, median and upper end of the gains, as shares of the study's spread."""
    low, high = _gain(centres - LOWER * widths), _gain(centres + UPPER * widths)
    return low, _gain(centres), np.where(low > 0, high, _gain(centres + ONE_SIDED * widths))


def _ahead(known: Known, max_epochs: int) -> Vector:
    """Return the share of the epochs that each trial has before it: with none left, nothing can be gained."""
    return np.asarray(1 - known.epochs / max_epochs)


def _places(shape: Vector) -> Vector:
    return np.column_stack([shape[:, column] / distance for column, distance in LIKENESS])


def _gain(logs: Vector) -> Vector:
    return np.asarray(np.maximum(np.exp(np.minimum(logs, MOST)) - OFFSET, 0))


def _newcomer(known: Known, gains: Vector, ceiling: float) -> Forecast:
    """Return what a trial would reach of which nothing is known: anything that the study's trials will."""
    if not known.scale:
        return Forecast(known.median, -inf, ceiling)
    low, final, high = np.quantile(known.last[:, None] + gains, (0.1, 0.5, 0.9)).tolist()
    return Forecast(min(final, ceiling), min(low, ceiling), min(high, ceiling))
