"""Confidence intervals of detection metrics by bootstrap over images (Efron 1979).

Detections are sorted once per model; a resample only reweights images. Pure.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from automl.storage.detection_rate import statistic
from automl.storage.detections import METRICS, Curves, ImageStats, IntArray, metrics
from automl.study.verdict import Interval

__all__ = [
    "METRICS",
    "ImageStats",
    "Interval",
    "Resampling",
    "aligned",
    "interval",
    "intervals",
    "metrics",
    "paired_difference",
]

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Resampling:
    """Settings of a bootstrap."""

    resamples: int = 1000
    seed: int = 0
    level: float = 0.95
    """Level of the two-sided interval."""
    confidence: float = 0.95
    """Level of the one-sided lower bound."""


def interval(stats: ImageStats, objective: str, plan: Resampling | None = None) -> Interval:
    """Return a metric with its basic (pivotal) bootstrap interval over images, clipped to 0..1.

    mAP is biased upwards on few images, and a resample doubles the bias; the basic interval subtracts it, a percentile
    interval would add it. In 300 synthetic splits (`tests/hpo/test_bootstrap.py`) the 95% intervals of
    mAP50-95 covered the true value in 93% (60 images) and 95% (200), percentile intervals in 84% and 85%.

    Cost per resample and model with 70 images of 300 detections in 3 classes, on one core of an AMD EPYC (family 25):
    0.3 ms for mAP, 0.6 ms for precision and recall.
    """
    metric, plan = statistic(stats, objective), plan or Resampling()
    return _pivotal(*_bootstrap(stats.images, lambda weights, _: metric(weights), plan), plan)


def intervals(stats: ImageStats, plan: Resampling | None = None) -> dict[str, Interval]:
    """Return each of `METRICS` with the interval that `interval` gives it, all from the same resamples."""
    curves, plan = Curves.of(stats), plan or Resampling()
    value, resampled = _bootstrap(stats.images, lambda weights, _: curves.metrics(weights), plan)
    return {name: _pivotal(value[name], [one[name] for one in resampled], plan) for name in METRICS}


def _pivotal(value: float, resampled: Sequence[float], plan: Resampling) -> Interval:
    """Return the basic bootstrap interval, clipped to 0..1."""
    ends = _ended(value, [2 * value - one for one in resampled], plan)
    low, high, lower = (min(1.0, max(0.0, end)) for end in (ends.low, ends.high, ends.lower))
    return Interval(value, low, high, lower)


def paired_difference(
    ours: ImageStats, baseline: Sequence[ImageStats], objective: str, plan: Resampling | None = None
) -> Interval:
    """Return a model's difference to the mean of the baseline's models (its seeds), with a paired percentile interval.

    Both sides use the same resampled images. The baseline's seeds are resampled with replacement too;
    their deviation from their mean is inflated by sqrt(k / (k - 1)): the bootstrap variance of a mean of k values is
    (k - 1) / k of the unbiased one. With one seed only the images vary.

    Raises:
        ValueError: no baseline, or the models were not validated on the same images.
    """
    if not baseline:
        raise ValueError("baseline: must have at least one model, but got none")
    own = statistic(ours, objective)
    theirs = [statistic(aligned(stats, ours.names), objective) for stats in baseline]
    seeds = len(theirs)
    inflation = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0

    def difference(weights: IntArray, rng: np.random.Generator | None) -> float:
        reached = np.array([metric(weights) for metric in theirs])
        level = reached.mean()
        if rng is not None:
            level += inflation * (reached[rng.integers(seeds, size=seeds)].mean() - level)
        return float(own(weights) - level)

    plan = plan or Resampling()
    return _ended(*_bootstrap(ours.images, difference, plan), plan)


def _bootstrap(
    images: int, statistic: Callable[[IntArray, np.random.Generator | None], Found], plan: Resampling
) -> tuple[Found, list[Found]]:
    """Return a statistic of image weights for all images, and for each resample.

    The generator resamples everything but images; it is None outside a resample.
    """
    if plan.resamples < 1:
        raise ValueError(f"resamples: must be at least 1, but got {plan.resamples}")
    value = statistic(np.ones(images, np.int64), None)
    if not images:
        return value, [value]
    rng = np.random.default_rng(plan.seed)
    drawn = (np.bincount(rng.integers(images, size=images), minlength=images) for _ in range(plan.resamples))
    return value, [statistic(weights, rng) for weights in drawn]


def _ended(value: float, resampled: Sequence[float], plan: Resampling) -> Interval:
    """Return the interval between quantiles of the resampled statistics."""
    tail = (1 - plan.level) / 2
    low, high, lower = (float(end) for end in np.quantile(resampled, [tail, 1 - tail, 1 - plan.confidence]))
    return Interval(value, low, high, lower)


def aligned(stats: ImageStats, names: Sequence[str]) -> ImageStats:
    """Return the statistics with the images in the order of `names`.

    Raises:
        ValueError: they are of other images.
    """
    place = {name: index for index, name in enumerate(names)}
    if set(stats.names) != set(names):
        apart = sorted(set(stats.names) ^ set(names))
        raise ValueError(f"images: must be the same for all models, but {len(apart)} are not, {apart[0]} among them")
    order = np.array([place[name] for name in stats.names], np.int64)
    return replace(stats, image=order[stats.image], truth_image=order[stats.truth_image], names=tuple(names))
