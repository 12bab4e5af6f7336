"""Quadratic softmax regression: class probabilities from a few numbers, fitted with L2 regularisation. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from automl.data.audit.records import FloatArray, IntArray

WIDEST: Final = 5.0
"""Standard deviations at which a number is cut off: a single strange box must not decide."""
STEPS: Final = 100
FLAT: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Standardised numbers, their squares and products, and a constant."""

    means: tuple[FloatArray, FloatArray]
    scales: tuple[FloatArray, FloatArray]
    one_hot: int
    """Numbers at the end that are class numbers."""
    classes: int

    @classmethod
    def of(cls, values: FloatArray, *, one_hot: int, classes: int) -> Self:
        """Return the terms with the means and deviations of rows of numbers."""
        plain = _expanded(values, one_hot, classes)
        first = plain.mean(0), plain.std(0) + FLAT
        product = _products(_cut((plain - first[0]) / first[1]))
        return cls((first[0], product.mean(0)), (first[1], product.std(0) + FLAT), one_hot, classes)

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return (rows, terms)."""
        plain = _cut((_expanded(values, self.one_hot, self.classes) - self.means[0]) / self.scales[0])
        product = _cut((_products(plain) - self.means[1]) / self.scales[1])
        return np.concatenate([product, np.ones((len(product), 1))], axis=1)


def _expanded(values: FloatArray, one_hot: int, classes: int) -> FloatArray:
    """Return numbers with class numbers replaced by one column a class."""
    numbers, kinds = values[:, : values.shape[1] - one_hot], values[:, values.shape[1] - one_hot :]
    parts = [(kinds[:, [place]] == np.arange(classes)).astype(np.float64) for place in range(one_hot)]
    return np.concatenate([numbers, *parts], axis=1)


def _products(values: FloatArray) -> FloatArray:
    first, second = np.triu_indices(values.shape[1])
    return np.concatenate([values, values[:, first] * values[:, second]], axis=1)


def _cut(values: FloatArray) -> FloatArray:
    return np.clip(values, -WIDEST, WIDEST)


def fitted(
    terms: FloatArray, target: IntArray, weight: FloatArray, *, outcomes: int, penalty: float
) -> Callable[[FloatArray], FloatArray]:
    """Return the regression of an outcome on terms, as a function from terms to (rows, outcomes) probabilities.

    Args:
        terms: (rows, terms), the last a constant, which is not penalised.
        target: (rows,) outcome of each row.
        weight: (rows,) how much each row counts.
        outcomes: number of outcomes.
        penalty: factor of half the sum of squares of the coefficients.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  (a fifth of the time in which a command starts)

    wanted = np.eye(outcomes)[target]
    shape = (terms.shape[1], outcomes)

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        coefficients = flat.reshape(shape)
        chance = _softmax(terms @ coefficients)
        likelihood = np.log(np.maximum((chance * wanted).sum(1), 1e-300))
        penalised = np.concatenate([coefficients[:-1], np.zeros((1, outcomes))])
        slope = terms.T @ ((chance - wanted) * weight[:, None]) + penalty * penalised
        return float(-(weight * likelihood).sum() + penalty * (penalised**2).sum() / 2), slope.ravel()

    best = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return lambda rows: _softmax(rows @ best.x.reshape(shape))


def _softmax(values: FloatArray) -> FloatArray:
    powers = np.exp(values - values.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True), np.float64)
