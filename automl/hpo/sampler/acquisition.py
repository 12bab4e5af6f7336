"""Acquisition: generate candidates and pick the one with the highest expected improvement per second."""

from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from automl.hpo.learning_curves import Curve, forecast
from automl.hpo.sampler.encoding import Encoding, Points, Vector
from automl.hpo.sampler.epoch_cost import Cost
from automl.hpo.sampler.gaussian_process import POSTERIOR_LIMIT, Model, log_improvement, representative
from automl.hpo.sampler.observations import Observations, keys
from automl.hpo.sampler.transfer_prior import TransferPrior

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
HISTORY_LIMIT: Final = 600
"""Trials whose final values are forecast for the model, which itself stands on 300: bounds the time of a suggestion."""
LEADING: Final = 150
"""Of these, the best trials; the others are spaced evenly by rank."""
FAILED_LIMIT: Final = 100
"""Failed trials on which the model is conditioned."""
GRID: Final = (1, *(round(2 ** (step / 2)) for step in range(2, 30)))
COMMON: Final = 0.02
"""Curves of a larger history are cut to these epochs, or to a length that this share of them has, such as that of a
rung: the forecast takes a step for each distinct length."""
TRANSFER_CANDIDATES: Final = 60
"""Number of candidates from past studies."""


class Proposal:
    """The model of one state of a study; valid until a trial reaches a rung or ends."""

    def __init__(
        self,
        encoding: Encoding,
        seen: Observations,
        transfer: TransferPrior,
        max_epochs: int,
        *,
        lengths: Vector | None = None,
    ) -> None:
        """Fit the model; at least three trials must have a value.

        Targets are normal quantiles of ranks: half by the final value that a trial is forecast to reach, half by its
        best so far. Each alone orders the trials of a study worse than both together. `lengths` are known length scales
        (`Model.fit`); past studies tell their own.
        """
        self._encoding = encoding
        self._transfer = transfer
        numbers, bests = seen.bests()
        kept, weights = _history(bests)
        valued, others = [seen[number] for number in numbers[kept].tolist()], seen.others()
        failed = [trial for trial in others if trial.infeasible and not trial.outside]
        self._failed_share = len(failed) / len(numbers)
        self._points = self._stack([trial.point for trial in valued])
        self._weights = weights
        self._infeasible = self._stack([trial.point for trial in failed[:: 1 + len(failed) // FAILED_LIMIT]])
        self._running = self._stack([trial.point for trial in others if trial.pending])
        self._known = seen.known()
        curves: list[Curve] = [np.frombuffer(trial.values).copy() for trial in valued]
        large = len(numbers) > len(valued)
        finals = [found.final for found in forecast(_cut(curves) if large else curves, max_epochs)]
        self._targets = (normal_quantiles(finals, weights) + normal_quantiles(bests[kept], weights)) / 2
        if transfer:
            transfer.update_weights(self._points, self._targets)
        rest = self._targets - self._expected(self._points)
        known = None if transfer else lengths
        fit = Model.fit_large if large else Model.fit
        self._model = fit(self._points, rest, categorical=encoding.categorical, lengths=known)
        self._stale = True
        """Whether the model has yet to be conditioned on trials that run since."""
        self._condition()
        self._cost = Cost.fit(encoding, self._points, np.array([trial.epoch_seconds for trial in valued]))
        self._incumbents: dict[int, float] = {}

    def runs(self, point: Points) -> None:
        """Record that a trial runs at this point."""
        self._known.update(keys(point[None]))
        self._running = np.vstack([self._running, point])
        self._stale = True

    def best(self, generator: np.random.Generator, within: Encoding | None = None) -> Points:
        """Return the argmax of expected improvement per second.

        `within` restricts it to some structures: the improvement is that over the best of these.
        """
        self._condition()
        encoding = within or self._encoding
        incumbent = self._incumbent(encoding)
        candidates = self._fresh(self._candidates(generator, encoding))
        scores = self._acquisition(candidates, incumbent)
        for width in REFINE_WIDTHS:
            leading = candidates[np.argsort(-scores, kind="stable")[:TOP]]
            around = self._fresh(encoding.near(np.repeat(leading, STEPS, axis=0), generator, width=width))
            candidates = np.concatenate([leading, around])
            scores = self._acquisition(candidates, incumbent)
        return np.asarray(candidates[int(np.argmax(scores))])

    def _fresh(self, candidates: Points) -> Points:
        """Return the candidates that have not been tried; all of them if none is left."""
        fresh = np.array([key not in self._known for key in keys(candidates)])
        return candidates[fresh] if fresh.any() else candidates

    def _condition(self) -> None:
        """Condition on pending points (kriging believer), and penalise failed ones."""
        if not self._stale:
            return
        self._stale = False
        worst = self._targets.min() - self._expected(self._infeasible)
        self._model.condition_on(self._running, failed=self._infeasible, worst=worst)

    def _acquisition(self, candidates: Points, incumbent: float) -> Vector:
        """Return the log of the expected improvement per second (Snoek et al. 2012, arXiv:1206.2944)."""
        mean, deviation = self._model.predict(candidates)
        scores = log_improvement(mean + self._expected(candidates), deviation, over=incumbent)
        return scores - self._cost.log(candidates) + self._log_feasible(candidates)

    def _log_feasible(self, candidates: Points) -> Vector:
        """Return the log share of similar trials that did not fail, with one success assumed."""
        if not len(self._infeasible):
            return np.zeros(len(candidates))
        fine = self._model.correlation(candidates, self._points) @ self._weights
        failed = self._model.correlation(candidates, self._infeasible).mean(axis=1)
        failed = failed * self._failed_share * self._weights.sum()
        return np.asarray(np.log((fine + 1) / (fine + failed + 1)))

    def _incumbent(self, encoding: Encoding) -> float:
        """Return the value to improve on, computed once: pending points are conditioned on their own mean."""
        if id(encoding) not in self._incumbents:
            self._incumbents[id(encoding)] = self._best_mean(encoding.permits(self._points))
        return self._incumbents[id(encoding)]

    def _best_mean(self, mine: NDArray[np.bool_]) -> float:
        """Return the highest posterior mean among some trials: an observed target is noisy.

        Without any, the lowest of all, over which each improves.
        """
        chosen = mine if mine.any() else np.ones_like(mine)
        points = self._points[chosen][representative(self._targets[chosen], POSTERIOR_LIMIT)]
        values = self._model.mean(points) + self._expected(points)
        return float(values.max() if mine.any() else values.min())

    def _expected(self, points: Points) -> Vector:
        return self._transfer.expected(points) if self._transfer else np.zeros(len(points))

    def _candidates(self, generator: np.random.Generator, encoding: Encoding) -> Points:
        parts = [encoding.draw(CANDIDATES // 2, generator)]
        mine = encoding.permits(self._points)
        near = mine if mine.any() else np.ones_like(mine)
        tops = self._points[near][np.argsort(-self._targets[near], kind="stable")[:TOP]]
        for width in NEAR:
            centers = tops[generator.integers(len(tops), size=CANDIDATES // 4)]
            parts.append(encoding.near(centers, generator, width=width))
        if self._transfer:
            earlier = self._transfer.candidates(TRANSFER_CANDIDATES, generator)
            parts.append(encoding.restricted(earlier, generator))
        return np.concatenate(parts)

    def _stack(self, points: Sequence[Points]) -> Points:
        return np.array(points, dtype=float).reshape(len(points), len(self._encoding.space.parameters))


def _history(bests: Vector) -> tuple[NDArray[np.int64], Vector]:
    """Return which trials the model uses, at most `HISTORY_LIMIT` of them, and how many trials each stands for.

    `bests` are the best values of all of them. The best trials, and others spaced evenly by their rank, so that ranks
    among all trials can be told from theirs.
    """
    if len(bests) <= HISTORY_LIMIT:
        return np.arange(len(bests)), np.ones(len(bests))
    order = np.argsort(-bests, kind="stable")
    steps = np.linspace(LEADING, len(order), HISTORY_LIMIT - LEADING + 1).astype(int)
    places = np.concatenate([np.arange(LEADING), (steps[:-1] + steps[1:] - 1) // 2])
    weights = np.concatenate([np.ones(LEADING), np.diff(steps)])
    kept = order[places]
    again = np.argsort(kept)
    return kept[again], weights[again].astype(float)


def _cut(curves: Sequence[Curve]) -> list[Curve]:
    """Return curves cut to a few lengths; one that would lose all its values stays as it is."""
    counts = Counter(map(len, curves))
    lengths = sorted({*GRID, *(length for length, count in counts.items() if count >= COMMON * len(curves))})
    cut = [curve[: lengths[bisect(lengths, len(curve)) - 1]] for curve in curves]
    return [short if any(map(isfinite, short)) else curve for short, curve in zip(cut, curves, strict=True)]


def normal_quantiles(values: Sequence[float] | Vector, weights: Vector) -> Vector:
    """Return the normal quantile of each value's rank; a value stands for `weights` equal ones."""
    unique, places = np.unique(values, return_inverse=True)
    counts = np.bincount(places, weights=weights, minlength=len(unique))
    middles = np.cumsum(counts) - counts / 2
    return np.asarray(ndtri(middles[places] / counts.sum()))
