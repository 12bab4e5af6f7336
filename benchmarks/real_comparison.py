"""What the runs of `real_trainings.py` show: curves of the best mAP, and the ratio of two sides' spending. Pure."""

import random
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.real_sides import OURS, SIDES, STOCK, BenchmarkError, Point

AXES: Final = ("cpu", "epochs", "wall")
RESAMPLES: Final = 2000
TOLD: Final = {STOCK: "stock_tune"}
"""Names of sides among the scores on test."""

Curve = Sequence[tuple[float, float]]
"""Steps of (spent so far, best validation mAP so far)."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """What stock spent to reach its final mAP over what ours spent to reach the same."""

    value: float
    reached: bool
    """Whether ours got there; if not, the value is an upper bound."""


def best_so_far(points: Sequence[Point], axis: str) -> Curve:
    """Return how the best mAP grew with CPU-seconds, seconds, or epochs of training.

    >>> seen = [Point(5, 3, "a", 1, 0.1), Point(6, 4, "b", 1, None), Point(7, 5, "a", 2, 0.3)]
    >>> best_so_far(seen, "epochs"), best_so_far(seen, "cpu")
    ([(1.0, 0.1), (3.0, 0.3)], [(5.0, 0.1), (7.0, 0.3)])
    """
    best, curve = 0.0, []
    for number, point in enumerate(points, start=1):
        if point.value is not None and point.value > best:
            best = point.value
            curve.append((float(number if axis == "epochs" else getattr(point, axis)), best))
    return curve


def level(curve: Curve, spent: float) -> float:
    """Return the best value known after spending so much.

    >>> level([(1.0, 0.2), (3.0, 0.5)], 2.0)
    0.2
    """
    return max((value for at, value in curve if at <= spent), default=0.0)


def reach(curves: Sequence[Curve], target: float) -> float | None:
    """Return the least spending at which the mean of the curves is at the target, None where it never is.

    >>> reach([[(1.0, 0.2), (4.0, 0.6)], [(2.0, 0.4)]], 0.5)
    4.0
    """
    for spent in sorted({at for curve in curves for at, _ in curve}):
        if statistics.fmean(level(curve, spent) for curve in curves) >= target - 1e-12:
            return spent
    return None


def ratio(stock: Sequence[Curve], ours: Sequence[Curve], *, spent: float) -> Ratio:
    """Compare two sides by their mean curves; `spent` is what ours had spent in the end, on the average.

    The target is stock's mean final value, and stock's price for it is where its mean curve first gets there, which
    is at most its budget. Where ours never gets there, its whole spending stands in: the ratio is below that.

    >>> ratio([[(10.0, 0.5)]], [[(5.0, 0.6)]], spent=12.0)
    Ratio(value=2.0, reached=True)
    >>> ratio([[(10.0, 0.5)]], [[(5.0, 0.4)]], spent=20.0)
    Ratio(value=0.5, reached=False)
    """
    target = statistics.fmean(level(curve, float("inf")) for curve in stock)
    theirs, mine = reach(stock, target), reach(ours, target)
    if theirs is None:
        raise BenchmarkError("stock must have learned something, but its best mAP is 0; give more --epochs or minutes")
    return Ratio(theirs / (mine if mine is not None else spent), mine is not None)


def interval(stock: Sequence[Curve], ours: Sequence[Curve], *, spent: Sequence[float]) -> dict[str, float]:
    """Return the 95% interval of the ratio when both sides' seeds are drawn anew, and how often ours got there."""
    draw, found = random.Random(0), []
    for _ in range(RESAMPLES):
        theirs = draw.choices(stock, k=len(stock))
        mine = draw.choices(range(len(ours)), k=len(ours))
        found.append(ratio(theirs, [ours[i] for i in mine], spent=statistics.fmean(spent[i] for i in mine)))
    values = sorted(one.value for one in found)
    low, high = values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES) - 1]
    return {"low": low, "high": high, "reached": statistics.fmean(one.reached for one in found)}


def compared(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Compare the sides on one data set: the ratio in CPU-seconds with its interval, and all that qualifies it.

    With a single seed there is no interval: `low` and `high` are None.
    """
    found: dict[str, Any] = {}
    by_side = {side: [record for record in records if record["side"] == side] for side in SIDES}
    if not by_side[STOCK] or not by_side[OURS]:
        return found
    for axis in AXES:
        stock, ours = ([best_so_far(points_of(run), axis) for run in by_side[side]] for side in (STOCK, OURS))
        spent = [spent_by(run, axis) for run in by_side[OURS]]
        whole = ratio(stock, ours, spent=statistics.fmean(spent))
        if axis != AXES[0]:
            found[axis] = round(whole.value, 3)
            continue
        limits = interval(stock, ours, spent=spent) if min(len(stock), len(ours)) > 1 else {}
        low, high = limits.get("low"), limits.get("high")
        found |= {"ratio": _rounded(whole.value), "low": _rounded(low), "high": _rounded(high)}
        found |= {"reached": whole.reached, "resamples_reached": _rounded(limits.get("reached"))}
        pairs = _pairs(by_side)
        found["seed_ratios"] = {seed: round(one.value, 3) for seed, one in pairs.items()}
        found["seeds_reached"] = [seed for seed, one in pairs.items() if one.reached]
    found["default"] = _mean(_of_default(run) for run in by_side[OURS])
    found["val"] = {side: _mean(final(run) for run in runs) for side, runs in by_side.items() if runs}
    found["test"] = {TOLD.get(side, side): _mean(run["test"] for run in runs) for side, runs in by_side.items() if runs}
    return found


def points_of(record: Mapping[str, Any]) -> list[Point]:
    """Return the points of a run that was read from the results."""
    return [Point(*point) for point in record["points"]]


def final(record: Mapping[str, Any]) -> float:
    """Return the best validation mAP of a run."""
    return max(point.value or 0.0 for point in points_of(record))


def spent_by(record: Mapping[str, Any], axis: str) -> float:
    """Return what a run had spent when it was stopped."""
    points = points_of(record)
    return float(len(points)) if axis == "epochs" else float(getattr(points[-1], axis))


def _pairs(by_side: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[int, Ratio]:
    """Compare seed by seed, where both sides have it."""
    stock, ours = ({run["seed"]: run for run in by_side[side]} for side in (STOCK, OURS))
    return {
        seed: ratio([_curve(stock[seed])], [_curve(ours[seed])], spent=spent_by(ours[seed], "cpu"))
        for seed in sorted(stock.keys() & ours.keys())
    }


def _curve(record: Mapping[str, Any]) -> Curve:
    return best_so_far(points_of(record), "cpu")


def _of_default(record: Mapping[str, Any]) -> float:
    """Return the best mAP of our first trial, which has the default params."""
    return max((point.value or 0.0 for point in points_of(record) if point.trial.startswith("0000_")), default=0.0)


def _mean(values: Iterable[float]) -> float:
    return round(statistics.fmean(values), 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
