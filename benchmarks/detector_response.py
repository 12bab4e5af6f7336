"""Response surfaces of tables of trainings: Gaussian processes over the params, and functions drawn from them.

Values go through a logistic warp whose upper end is a multiple of a table's best value: detectors have a plateau of
good params and a long tail of bad ones, which a normal distribution would turn into params far better than any that was
ever measured. One length scale per parameter, the noise and the warp are shared by all tables and have the highest
posterior density on the final values; all else of a table is its own. The outputs are the epochs of the curve: a matrix
normal prior whose covariance of epochs is the table's own.

A function drawn from the posterior (Wilson et al. 2020, arXiv:2002.09309: one of the prior from random Fourier
features, corrected at the rows) agrees with the rows up to their noise, and elsewhere has optima that no row shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import Final
from zlib import crc32

import numpy as np
from scipy.optimize import minimize

from benchmarks.tables import Matrix

FLOOR: Final = 0.02
"""Values below this share of the upper end count as equal."""
CEILINGS: Final = (1.15, 1.3, 1.6, 2.0)
"""Upper ends of the warp that are tried, in units of a table's best value: at 1 there would be nothing left to find."""
FEATURES: Final = 512
LENGTH: Final = 2.0
"""Prior median of a length scale, in ranges of a parameter; its logarithm has a standard deviation of 1."""
NOISE: Final = 0.1
"""Prior median of the noise as a share of the variance; its logarithm has a standard deviation of `NOISE_SPREAD`."""
NOISE_SPREAD: Final = 1.5
BOUNDS: Final = ((log(0.1), log(50)), (log(1e-3), log(3)))


@dataclass(frozen=True)
class Scales:
    """What all tables share."""

    lengths: Matrix
    """(parameters,): length scales in ranges of a parameter; two choices are one range apart."""
    noise: float
    """Variance of a training's noise, as a share of the response's."""
    ceiling: float
    """Upper end of the warp in units of a table's best value."""


@dataclass(frozen=True)
class Table:
    """A table of trainings in numbers."""

    points: Matrix
    """(rows, parameters), as encoded: shares of ranges, indices of choices."""
    choices: tuple[int, ...]
    """(parameters,): number of choices, 0 for a number."""
    curves: Matrix
    """(rows, epochs)."""

    @property
    def finals(self) -> Matrix:
        """Return the best value of each row."""
        return np.asarray(self.curves.max(axis=1))


def fitted(tables: Sequence[Table]) -> Scales:
    """Return the scales of the highest posterior density; the warp is chosen with those of its middle end."""
    middle = CEILINGS[len(CEILINGS) // 2]
    found = _searched(tables, middle)
    best = min(CEILINGS, key=lambda ceiling: _misfit(found, tables, ceiling))
    found = _searched(tables, best)
    return Scales(np.exp(found[:-1]), float(np.exp(found[-1])), best)


@dataclass(frozen=True)
class Response:
    """The posterior of one table."""

    table: Table
    scales: Scales

    @cached_property
    def top(self) -> float:
        """Return the upper end of the warp."""
        return _top(self.table.finals, self.scales.ceiling)

    @cached_property
    def warped(self) -> Matrix:
        """Return the curves after the warp."""
        return warp(self.table.curves, self.top)

    @cached_property
    def middle(self) -> Matrix:
        """Return the mean curve after the warp."""
        return np.asarray(self.warped.mean(axis=0))

    @cached_property
    def inverse(self) -> Matrix:
        """Return the inverse of the rows' covariance, noise included, in units of the response's variance."""
        return np.asarray(np.linalg.inv(_gram(self.scaled(self.table.points), self.scales.noise)))

    @cached_property
    def factor(self) -> Matrix:
        """Return (rows, epochs): independent normal numbers times this have the covariance of the epochs."""
        centred = self.warped - self.middle
        values, vectors = np.linalg.eigh(self.inverse)
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        return np.asarray(root @ centred / len(centred) ** 0.5)

    @cached_property
    def explained(self) -> float:
        """Return the share of the final values' variance that is predicted for a row left out; at most 1."""
        centred = warp(self.table.finals, self.top)
        centred = centred - centred.mean()
        missed = (self.inverse @ centred) / np.diag(self.inverse)
        return float(1 - (missed**2).mean() / max((centred**2).mean(), 1e-12))

    def scaled(self, points: Matrix) -> Matrix:
        """Return points as places of a space in which the kernel is exp(-distance² / 2)."""
        return _embedded(points, self.table.choices, self.scales.lengths)


class Surface:
    """One function over the params: the posterior's mean, or with a seed a draw from it."""

    def __init__(self, response: Response, seed: int | None = None) -> None:
        self._response = response
        table, rows = response.table, len(response.table.points)
        self._seed = seed
        self._places = response.scaled(table.points)
        self._generator = np.random.default_rng([seed or 0, crc32(np.round(table.curves, 6).tobytes())])
        columns = self._places.shape[1]
        self._waves = self._generator.standard_normal((columns, FEATURES))
        self._phases = self._generator.random(FEATURES) * 2 * np.pi
        self._weights = self._normal(FEATURES) * (seed is not None)
        noise = self._normal(rows) * (seed is not None) * response.scales.noise**0.5
        missed = response.warped - response.middle - self._prior(self._places) - noise
        self._correction = response.inverse @ missed

    def at(self, points: Matrix) -> Matrix:
        """Return the curves (points, epochs) without noise."""
        return unwarp(self._hidden(points), self._response.top)

    def noisy(self, point: Matrix) -> Matrix:
        """Return the curve of a training; the same for the same point."""
        generator = np.random.default_rng([self._seed or 0, crc32(np.round(point, 6).tobytes())])
        factor = self._response.factor
        noise = generator.standard_normal(len(factor)) @ factor * self._response.scales.noise**0.5
        return unwarp(self._hidden(point[None])[0] + noise, self._response.top)

    def _hidden(self, points: Matrix) -> Matrix:
        places = self._response.scaled(points)
        near = np.exp(-_squares(places, self._places) / 2)
        return np.asarray(self._response.middle + self._prior(places) + near @ self._correction)

    def _prior(self, places: Matrix) -> Matrix:
        return np.asarray((2 / FEATURES) ** 0.5 * np.cos(places @ self._waves + self._phases) @ self._weights)

    def _normal(self, count: int) -> Matrix:
        """Return (count, epochs) normal numbers with the covariance of the epochs."""
        factor = self._response.factor
        return np.asarray(self._generator.standard_normal((count, len(factor))) @ factor)


def warp(values: Matrix, top: float) -> Matrix:
    """Return values on a logistic scale that ends at `top`.

    >>> float(warp(np.array(0.5), 1.0))
    0.0
    """
    share = np.clip(values / top, FLOOR, 1 - FLOOR)
    return np.asarray(np.log(share / (1 - share)))


def unwarp(hidden: Matrix, top: float) -> Matrix:
    """Return the values of `warp`.

    >>> round(float(unwarp(warp(np.array(0.3), 0.8), 0.8)), 6)
    0.3
    """
    return np.asarray(top / (1 + np.exp(-np.clip(hidden, -30, 30))))


def _top(finals: Matrix, ceiling: float) -> float:
    return min(1.0, ceiling * float(finals.max())) / (1 - FLOOR)


def _searched(tables: Sequence[Table], ceiling: float) -> Matrix:
    """Return logarithms of length scales and noise at the highest posterior density."""
    columns = tables[0].points.shape[1]
    start = np.array([log(LENGTH)] * columns + [log(NOISE)])
    bounds = [BOUNDS[0]] * columns + [BOUNDS[1]]
    found = minimize(_misfit, start, args=(tables, ceiling), method="L-BFGS-B", bounds=bounds, options={"maxiter": 40})
    return np.asarray(found.x)


def _misfit(logs: Matrix, tables: Sequence[Table], ceiling: float) -> float:
    """Return the negative log posterior density of the final values, each table's variance at its best value."""
    lengths, noise = np.exp(logs[:-1]), float(np.exp(logs[-1]))
    total = (((logs[:-1] - log(LENGTH)) ** 2).sum() + ((logs[-1] - log(NOISE)) / NOISE_SPREAD) ** 2) / 2
    for table in tables:
        top = _top(table.finals, ceiling)
        hidden = warp(table.finals, top)
        centred = hidden - hidden.mean()
        gram = _gram(_embedded(table.points, table.choices, lengths), noise)
        variance = max(float(centred @ np.linalg.solve(gram, centred)) / len(gram), 1e-12)
        share = np.clip(table.finals / top, FLOOR, 1 - FLOOR)
        steepness = -np.log(share * (1 - share) * top).sum()  # of the warp: densities of values, not of warped ones
        total += (len(gram) * log(variance) + np.linalg.slogdet(gram)[1]) / 2 - steepness
    return float(total)


def _gram(places: Matrix, noise: float) -> Matrix:
    return np.asarray(np.exp(-_squares(places, places) / 2) + noise * np.eye(len(places)))


def _squares(places: Matrix, others: Matrix) -> Matrix:
    return np.asarray(((places[:, None] - others[None]) ** 2).sum(axis=2))


def _embedded(points: Matrix, choices: Sequence[int], lengths: Matrix) -> Matrix:
    """Return points with each choice as a unit vector, so that two choices are one range apart, over the lengths."""
    parts = []
    for column, (count, length) in enumerate(zip(choices, lengths, strict=True)):
        values = points[:, column]
        own = values[:, None] == np.arange(count) if count else values[:, None]
        parts.append(own / (2**0.5 if count else 1) / length)
    return np.hstack(parts)
