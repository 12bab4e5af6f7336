"""The sampler's model with noise by epochs: a trial is the noisier the less of its epochs it was trained for.

The variance of a trial's noise is `1 + LOOK (1 - share of the epochs)` times that of a whole training, and that one is
log-normal around a median, in place of one noise for all with Optuna's prior, whose mean is 0.04. Not in the product:
benchmarks/README.md tells what it does to the rows of real tables and to searches (decision 69).
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import torch

from automl.hpo.sampler import kernel_fit
from automl.hpo.sampler.acquisition import Proposal
from automl.hpo.sampler.encoding import Encoding, Vector
from automl.hpo.sampler.observations import Observations
from automl.hpo.sampler.transfer_prior import TransferPrior
from benchmarks.tables import Matrix

LOOK: Final = 6.0
NOISE: Final = (0.2, 0.7)
"""Median of the noise variance of a whole training, and standard deviation of its logarithm."""


def relative(shares: Vector) -> Vector:
    """Return the relative noise variances of trials that were trained for these shares of all epochs.

    >>> relative(np.array([0.0, 0.5, 1.0])).tolist()
    [7.0, 4.0, 1.0]
    """
    return 1 + LOOK * (1 - np.minimum(shares, 1))


@contextmanager
def known() -> Iterator[None]:
    """Let all models of a block know it; they must have at most 100 trials, on which the kernel is fitted."""
    from optuna._gp import gp

    current: list[Vector] = []
    make, loss, cache = Proposal.__init__, kernel_fit._loss, gp.GPRegressor._cache_matrix

    def made(
        self: Proposal,
        encoding: Encoding,
        seen: Observations,
        transfer: TransferPrior,
        max_epochs: int,
        **known: Any,  # noqa: ANN401
    ) -> None:
        current[:] = [
            relative(np.array([len(trial.values) / max_epochs for trial in seen.values() if trial.has_value]))
        ]
        try:
            make(self, encoding, seen, transfer, max_epochs, **known)
        finally:
            current.clear()

    def lost(squared: Matrix, targets: Vector, lengths: Vector) -> Callable[[Vector], tuple[float, Vector]]:
        fits = current and len(current[0]) == len(targets)
        return _loss(squared, targets, lengths, current[0]) if fits else loss(squared, targets, lengths)

    def cached(self: Any) -> None:  # noqa: ANN401
        level = self.noise_var
        if current and len(current[0]) == len(self._X_train):
            self.noise_var = level * torch.from_numpy(current[0])
        cache(self)
        self.noise_var = level  # that of pending points

    with ExitStack() as stack:
        stack.enter_context(patch.object(Proposal, "__init__", made))
        stack.enter_context(patch.object(kernel_fit, "_loss", lost))
        stack.enter_context(patch.object(gp.GPRegressor, "_cache_matrix", cached))
        yield


def _loss(
    squared: Matrix, targets: Vector, known_lengths: Vector, noise: Vector
) -> Callable[[Vector], tuple[float, Vector]]:
    """Return `kernel_fit._loss` with relative noise variances and the prior of their unit."""
    distances, values, relative_noise = torch.from_numpy(squared), torch.from_numpy(targets), torch.from_numpy(noise)
    median, spread = NOISE
    concentration, rate = kernel_fit.NOISE_PRIOR

    def loss(raw: Vector) -> tuple[float, Vector]:
        plain = np.exp(raw)
        lengths, scale, level = plain[:-2], float(plain[-2]), float(plain[-1]) + kernel_fit.MINIMUM_NOISE
        value, by_kernel, slope = kernel_fit.likelihood(distances, values, lengths, scale, level * relative_noise)
        gradient = np.array([*by_kernel, float((slope.diagonal() * relative_noise).sum())])
        density, density_slope = kernel_fit._prior(lengths, scale, level, known_lengths)
        off = float(np.log(level / median)) / spread
        density += -(off**2) / 2 - (concentration - 1) * float(np.log(level)) + rate * level
        density_slope[-1] = -off / (spread * level)
        return value - density, (gradient - density_slope) * plain

    return loss
