"""Fit of the kernel's parameters of a Gaussian process: maximum a posteriori by L-BFGS-B, with an exact gradient.

Model, priors, start and end are those of Optuna's `_gp.gp.fit_kernel_params`, which differentiates with torch: on a
hundred observations the bookkeeping of that takes most of the time. Gradient of the log marginal likelihood: Rasmussen
and Williams 2006, Gaussian Processes for Machine Learning, equation 5.9.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.hpo.sampler.encoding import Points, Vector

LOG: Final = logging.getLogger(__name__)
SCALE_PRIOR: Final = (2.0, 1.0)
"""Concentration and rate of the gamma prior of the kernel's scale."""
NOISE_PRIOR: Final = (1.1, 30.0)
"""The same of the variance of the noise."""
LENGTH_PRIOR: Final = 0.1
"""Weight of an inverse squared length scale, and of its inverse."""
SPREAD: Final = 0.35
"""Standard deviation of the logarithm of a length scale that is known beforehand."""
MINIMUM_NOISE: Final = 1e-4
TOLERANCE: Final = 0.05
"""Gradient tolerance at which the fit ends."""
START_NOISE: Final = 0.99
"""Share of the least noise that is taken from the noise at the start, which is 1 as all parameters are."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """Parameters of a Matern 5/2 kernel with noise."""

    inverse_squared_lengths: Vector
    """One a parameter of the search space."""
    scale: float
    noise: float
    """Variance."""


def fit(points: Points, targets: Vector, *, categorical: NDArray[np.bool_], lengths: Vector | None = None) -> Kernel:
    """Return the kernel's parameters of highest posterior density, from a fixed start.

    `lengths` are known length scales, one per parameter, NaN where none is known: the kernel's are log-normal around
    them, with a standard deviation of `SPREAD`, in place of Optuna's prior.

    Those of the start where the optimisation fails, with a warning, as Optuna does.
    """
    from scipy.optimize import minimize  # noqa: PLC0415  (a command that samples nothing does without it)

    known = np.full(points.shape[1], np.nan) if lengths is None else lengths
    loss = _loss(_squared(points, categorical), targets, known)
    start = np.zeros(points.shape[1] + 2)
    start[-1] = np.log(1 - START_NOISE * MINIMUM_NOISE)
    try:
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"gtol": TOLERANCE})
        failure = "" if found.success else str(found.message)
    except RuntimeError as error:  # torch: the covariance is not positive definite
        failure = str(error)
    if failure:
        LOG.warning(f"sampler: the fit of its kernel failed ({failure.strip()}); it uses the parameters of the start")
        return Kernel(np.ones(points.shape[1]), 1.0, 1.0)
    raw = np.exp(found.x)
    return Kernel(raw[:-2], float(raw[-2]), float(raw[-1]) + MINIMUM_NOISE)


def _squared(points: Points, categorical: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (pairs, parameters): squared distances, 1 between different choices."""
    found = np.square(points[:, None] - points[None])
    found[..., categorical] = found[..., categorical] > 0
    return found.reshape(len(points) ** 2, -1)


def _loss(squared: NDArray[np.float64], targets: Vector, known: Vector) -> Callable[[Vector], tuple[float, Vector]]:
    """Return the negative log posterior density, and its gradient, as a function of the parameters' logarithms.

    By torch without its differentiation: numpy has no limit of threads for one call, and the other cores train.
    """
    import torch  # noqa: PLC0415  (a second to import)

    distances, values = torch.from_numpy(squared), torch.from_numpy(targets)

    def loss(raw: Vector) -> tuple[float, Vector]:
        plain = np.exp(raw)
        lengths, scale, noise = plain[:-2], float(plain[-2]), float(plain[-1]) + MINIMUM_NOISE
        value, by_kernel, slope = likelihood(distances, values, lengths, scale, noise)
        gradient = np.array([*by_kernel, float(slope.trace())])
        density, density_slope = _prior(lengths, scale, noise, known)
        return value - density, (gradient - density_slope) * plain

    return loss


def likelihood(
    distances: Any,  # noqa: ANN401
    values: Any,  # noqa: ANN401
    lengths: Vector,
    scale: float,
    noise: Any,  # noqa: ANN401
) -> tuple[float, list[float], Any]:
    """Return the negative log likelihood of values, without its constant, and its slopes.

    Args:
        distances: (pairs, parameters) tensor of squared distances.
        values: (count,) tensor.
        lengths: Inverse squared length scales.
        scale: Variance of the kernel.
        noise: Variance of the noise, one number or a tensor with one for each value.

    Returns:
        The value; its derivatives by each of `lengths` and by `scale`; that by the covariance, (count, count).
    """
    import torch  # noqa: PLC0415  (a second to import)

    distance = distances @ torch.from_numpy(lengths)
    root = torch.sqrt(5 * distance)
    decay = torch.exp(-root)
    correlation = (decay * (5 / 3 * distance + root + 1)).reshape(len(values), len(values))
    covariance = scale * correlation
    covariance.diagonal().add_(noise)
    factor = torch.linalg.cholesky(covariance)
    inverse = torch.cholesky_inverse(factor)
    weights = inverse @ values
    value = float(factor.diagonal().log().sum() + values @ weights / 2)
    slope = (inverse - torch.outer(weights, weights)) / 2
    by_distance = slope.reshape(-1) * (root + 1) * decay * (-5 / 6 * scale)
    return value, [*(by_distance @ distances).tolist(), float((slope * correlation).sum())], slope


def _prior(lengths: Vector, scale: float, noise: float, known: Vector) -> tuple[float, Vector]:
    """Return the log prior density, and its gradient; `lengths` are inverse and squared, `known` are not."""
    usual = np.isnan(known)
    deviation = np.where(usual, 0.0, (np.log(lengths) + 2 * np.log(np.where(usual, 1.0, known))) / (2 * SPREAD))
    density = -LENGTH_PRIOR * float((1 / lengths + lengths)[usual].sum()) - float((deviation**2).sum()) / 2
    slope = [*np.where(usual, LENGTH_PRIOR * (1 / lengths**2 - 1), -deviation / (2 * SPREAD * lengths))]
    for value, (concentration, rate) in ((scale, SCALE_PRIOR), (noise, NOISE_PRIOR)):
        density += (concentration - 1) * np.log(value) - rate * value
        slope.append((concentration - 1) / value - rate)
    return density, np.array(slope)
