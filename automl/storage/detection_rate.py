"""Detection rate at a bounded over-kill rate, per image or per box, at each threshold of a grid. Pure.

As in `release.contract`: an image with true boxes is missed if nothing is predicted in it above the threshold, one
without is over-killed if something is; per box, a true box is missed if none of its class is predicted at IoU 0.50, and
predictions that match no true box are over-kill.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from automl.storage.detections import Curves, ImageStats, IntArray
from automl.study.objective import COUNTS, RateGoal

FloatArray = NDArray[np.float64]
GRID: Final = np.linspace(0.001, 0.999, 999)


@dataclass(frozen=True, slots=True)
class RatePoint:
    """Counts at one threshold."""

    threshold: float
    missed: int
    defects: int
    """Images with true boxes, or true boxes."""
    overkilled: int
    fine: int
    """Images without true boxes, or predicted boxes."""

    @property
    def detection_rate(self) -> float:
        """Return one minus the miss rate; 0 without defects."""
        return 1 - self.missed / self.defects if self.defects else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class RateCurve:
    """Detections of one model as counts over the thresholds, for any weights of the images."""

    goal: RateGoal
    image: IntArray
    """(predictions,) image of each; per image the one with the highest confidence alone."""
    place: IntArray
    """(predictions,) number of thresholds below its confidence."""
    hit: NDArray[np.bool_]
    """(predictions,) that it is no over-kill."""
    truths: IntArray
    """(images,) true boxes; per image 1 where there are any."""

    @classmethod
    def of(cls, stats: ImageStats, goal: RateGoal) -> Self:
        """Return the curve of detections."""
        truths = np.bincount(stats.truth_image, minlength=stats.images)
        return cls.from_arrays((stats.image, stats.conf, stats.tp[:, 0]), truths, goal)

    @classmethod
    def from_arrays(cls, found: tuple[Any, Any, Any], truths: IntArray, goal: RateGoal) -> Self:
        """Return the curve of predictions (image, confidence, hit), with the number of true boxes of each image."""
        image, conf, hit = (np.asarray(part) for part in found)
        if goal.per == "image":
            top = np.zeros(len(truths))
            np.maximum.at(top, image, conf)
            truths = (truths > 0).astype(np.int64)
            image, conf, hit = np.arange(len(truths)), top, truths > 0
        return cls(goal, image.astype(np.int64), np.searchsorted(GRID, conf, side="left"), hit.astype(bool), truths)

    def at(self, weights: IntArray | None = None) -> RatePoint:
        """Return the counts at the lowest threshold from which on the over-kill rate holds; the highest if none does.

        Each image counts `weights` times; once if None.
        """
        counted = np.ones(len(self.truths), np.int64) if weights is None else weights
        hits, false = (self._above(counted, chosen) for chosen in (self.hit, ~self.hit))
        defects = float(counted @ self.truths)
        fine = hits + false if self.goal.per == "box" else np.full(len(GRID), counted @ (self.truths == 0))
        rate = np.divide(false, fine, out=np.zeros(len(GRID)), where=fine > 0)
        broken = np.flatnonzero(rate > self.goal.over_kill)
        place = min(broken[-1] + 1, len(GRID) - 1) if len(broken) else 0
        missed, killed, all_fine = (round(part) for part in (defects - hits[place], false[place], fine[place]))
        return RatePoint(float(round(GRID[place], 3)), missed, int(defects), killed, all_fine)

    def value(self, weights: IntArray | None = None) -> float:
        """Return the detection rate."""
        return self.at(weights).detection_rate

    def _above(self, counted: IntArray, chosen: NDArray[np.bool_]) -> FloatArray:
        """Return how many of the chosen predictions are above each threshold."""
        steps = np.bincount(self.place[chosen], counted[self.image[chosen]], minlength=len(GRID) + 1)
        return np.asarray(steps.sum() - np.cumsum(steps)[: len(GRID)])


def metrics(curve: RateCurve, *, split: str) -> dict[str, float]:
    """Return the metric of a curve and the counts behind it, by tag."""
    point = curve.at()
    counts = {f"{split}/{name}": float(getattr(point, name)) for name in COUNTS}
    return {f"{split}/{curve.goal.name}": point.detection_rate, **counts}


def of_stats(stats: ImageStats, tag: str, *, split: str) -> dict[str, float]:
    """Return the metrics that a tag such as `val/detection_rate_at_0.02` asks for; none for another metric."""
    goal = RateGoal.of(tag.rpartition("/")[2])
    return metrics(RateCurve.of(stats, goal), split=split) if goal else {}


def statistic(stats: ImageStats, name: str) -> Callable[[IntArray], float]:
    """Return a metric as a function of image weights; the detections are sorted once for all resamples."""
    if goal := RateGoal.of(name):
        return RateCurve.of(stats, goal).value
    return partial(Curves.of(stats).metric, name)


def of_images(conf: Sequence[Any], hits: Sequence[Any], truths: Sequence[int], goal: RateGoal) -> RateCurve:
    """Return the curve of predictions listed by image: confidences, hits, and the number of true boxes."""
    image = np.repeat(np.arange(len(conf)), [len(part) for part in conf])
    flat = [np.concatenate([*(np.asarray(part, float) for part in parts), np.zeros(0)]) for parts in (conf, hits)]
    return RateCurve.from_arrays((image, flat[0], flat[1] > 0), np.asarray(truths, np.int64), goal)
