"""Acquisition: generate candidates and pick the one with the highest expected improvement per second."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Final

import numpy as np
from scipy.stats import norm, rankdata

from automl.hpo.learning_curves import forecast
from automl.hpo.sampler.encoding import Encoding, Points, Vector
from automl.hpo.sampler.epoch_cost import Cost
from automl.hpo.sampler.gaussian_process import POSTERIOR_LIMIT, Model, log_improvement, representative
from automl.hpo.sampler.transfer_prior import TransferPrior
from automl.study import Measurement

CANDIDATES: Final = 400
"""Half of them drawn over the whole space, half near the best trials."""
TOP: Final = 5
"""Number of best trials near which candidates are drawn."""
NEAR: Final = (0.2, 0.04)
"""Widths as shares of a parameter's range: one quarter of the candidates each."""
REFINE_WIDTHS: Final = (0.1, 0.03)
"""Widths at which the best candidates are refined, round by round."""
STEPS: Final = 20
"""Candidates drawn near each of them."""
TRANSFER_CANDIDATES: Final = 60
"""Number of candidates from past studies."""


@dataclass(slots=True)
class ObservedTrial:
    """The sampler's record of a trial."""

    point: Points
    values: list[float] = field(default_factory=list)
    best: float = -inf
    """The best value so far."""
    seconds: float = 0.0
    """Of all epochs."""
    runs: bool = True
    infeasible: bool = False
    outside: bool = False
    """Its params are outside the space, so the model does not use it."""

    def record(self, measurement: Measurement, metric: str) -> None:
        """Record an epoch; one that was not validated has no value."""
        value = measurement.metrics.get(metric, nan)
        self.values.append(value)
        self.best = max(self.best, value if isfinite(value) else -inf)
        self.seconds += measurement.seconds

    @property
    def has_value(self) -> bool:
        """Return True if it has a value."""
        return not (self.infeasible or self.outside) and self.best > -inf

    @property
    def pending(self) -> bool:
        """Return True if it is pending: no value yet."""
        return self.runs and not (self.has_value or self.outside)

    @property
    def epoch_seconds(self) -> float:
        """Return the mean seconds of an epoch."""
        return max(self.seconds / len(self.values), 1e-6)


class Proposal:
    """The model of one state of a study; valid until a trial reaches a rung or ends."""

    def __init__(
        self, encoding: Encoding, seen: Sequence[ObservedTrial], transfer: TransferPrior, max_epochs: int
    ) -> None:
        """Fit the model; at least three trials must have a value.

        Targets are normal quantiles of ranks: half by the final value that a trial is forecast to reach, half by its
        best so far. Each alone orders the trials of a study worse than both together.
        """
        self._encoding = encoding
        self._transfer = transfer
        valued = [trial for trial in seen if trial.has_value]
        self._points = self._stack([trial.point for trial in valued])
        self._infeasible = self._stack([trial.point for trial in seen if trial.infeasible and not trial.outside])
        self._running = self._stack([trial.point for trial in seen if trial.pending])
        self._all = self._stack([trial.point for trial in seen])
        finals = [found.final for found in forecast([trial.values for trial in valued], max_epochs)]
        self._targets = (_quantiles(finals) + _quantiles([trial.best for trial in valued])) / 2
        if transfer:
            transfer.update_weights(self._points, self._targets)
        rest = self._targets - self._expected(self._points)
        self._model = Model.fit(self._points, rest, categorical=encoding.categorical)
        self._condition()
        self._cost = Cost.fit(encoding, self._points, np.array([trial.epoch_seconds for trial in valued]))
        self._incumbent = self._best_mean()

    def runs(self, point: Points) -> None:
        """Record that a trial runs at this point."""
        self._all = np.vstack([self._all, point])
        self._running = np.vstack([self._running, point])
        self._condition()

    def best(self, generator: np.random.Generator) -> Points:
        """Return the argmax of expected improvement per second."""
        candidates = self._fresh(self._candidates(generator))
        scores = self._acquisition(candidates)
        for width in REFINE_WIDTHS:
            leading = candidates[np.argsort(-scores, kind="stable")[:TOP]]
            around = self._fresh(self._encoding.near(np.repeat(leading, STEPS, axis=0), generator, width=width))
            candidates = np.concatenate([leading, around])
            scores = self._acquisition(candidates)
        return np.asarray(candidates[int(np.argmax(scores))])

    def _fresh(self, candidates: Points) -> Points:
        """Return the candidates that have not been tried; all of them if none is left."""
        known = set(_keys(self._all))
        fresh = np.array([key not in known for key in _keys(candidates)])
        return candidates[fresh] if fresh.any() else candidates

    def _condition(self) -> None:
        """Condition on pending points (kriging believer), and penalise failed ones."""
        worst = self._targets.min() - self._expected(self._infeasible)
        self._model.condition_on(self._running, failed=self._infeasible, worst=worst)

    def _acquisition(self, candidates: Points) -> Vector:
        """Return the log of the expected improvement per second (Snoek et al. 2012, arXiv:1206.2944)."""
        mean, deviation = self._model.predict(candidates)
        scores = log_improvement(mean + self._expected(candidates), deviation, over=self._incumbent)
        return scores - self._cost.log(candidates) + self._log_feasible(candidates)

    def _log_feasible(self, candidates: Points) -> Vector:
        """Return the log share of similar trials that did not fail, with one success assumed."""
        if not len(self._infeasible):
            return np.zeros(len(candidates))
        failed = self._model.correlation(candidates, self._infeasible).sum(axis=1)
        fine = self._model.correlation(candidates, self._points).sum(axis=1)
        return np.asarray(np.log((fine + 1) / (fine + failed + 1)))

    def _best_mean(self) -> float:
        """Return the highest posterior mean among the trials: an observed target is noisy."""
        points = self._points[representative(self._targets, POSTERIOR_LIMIT)]
        mean, _ = self._model.predict(points)
        return float((mean + self._expected(points)).max())

    def _expected(self, points: Points) -> Vector:
        return self._transfer.expected(points) if self._transfer else np.zeros(len(points))

    def _candidates(self, generator: np.random.Generator) -> Points:
        parts = [self._encoding.draw(CANDIDATES // 2, generator)]
        tops = self._points[np.argsort(-self._targets, kind="stable")[:TOP]]
        for width in NEAR:
            centers = tops[generator.integers(len(tops), size=CANDIDATES // 4)]
            parts.append(self._encoding.near(centers, generator, width=width))
        if self._transfer:
            earlier = self._transfer.candidates(TRANSFER_CANDIDATES, generator)
            parts.append(self._encoding.restricted(earlier, generator))
        return np.concatenate(parts)

    def _stack(self, points: Sequence[Points]) -> Points:
        return np.array(points, dtype=float).reshape(len(points), len(self._encoding.space.parameters))


def _keys(points: Points) -> list[bytes]:
    """Return a hashable key of each point; the sum turns -0.0 into 0.0."""
    return [row.tobytes() for row in np.round(points, 9) + 0.0]


def _quantiles(values: Sequence[float]) -> Vector:
    """Return the normal quantile of each value's rank."""
    return np.asarray(norm.ppf((rankdata(values) - 0.5) / len(values)))
