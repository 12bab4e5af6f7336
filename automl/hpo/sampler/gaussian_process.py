"""Gaussian process over the unit cube, on Optuna's implementation; its kernel is fitted by `kernel_fit`.

The only module that uses Optuna's private `_gp`; its version is pinned to the minor release and a test checks the
interface. Fitted from a fixed start, so that the same history gives the same model in every session.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from automl.hpo.sampler import kernel_fit
from automl.hpo.sampler.encoding import Points, Vector

FIT_LIMIT: Final = 100
"""Observations to which the kernel's parameters are fitted."""
POSTERIOR_LIMIT: Final = 300
"""Observations of the posterior: bounds the time of a suggestion in a study of any size."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread: these matrices are small, and the other cores train."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(slots=True)
class Model:
    """A fitted process; predictions are in the unit of the targets."""

    _fitted: Any
    _mean: float
    _spread: float
    _process: Any
    """The fitted process, conditioned on pending points."""

    @classmethod
    @_one_thread()
    def fit(
        cls,
        points: Points,
        targets: Vector,
        *,
        categorical: NDArray[np.bool_],
        most: int = POSTERIOR_LIMIT,
        lengths: Vector | None = None,
    ) -> Self:
        """Fit a Matern 5/2 kernel with a length scale per parameter, Hamming distance between choices, and noise.

        Of more than `most` observations the best half of that number is kept, and as many of the others, spaced evenly
        by rank. `lengths` are known length scales, one per parameter, NaN where none is known: the kernel's are
        log-normal around them, with a standard deviation of `kernel_fit.SPREAD`.
        """
        kept = representative(targets, most)
        return cls._of(_optuna, points[kept], targets[kept], categorical=categorical, lengths=lengths)

    @classmethod
    @_one_thread()
    def fit_large(
        cls, points: Points, targets: Vector, *, categorical: NDArray[np.bool_], lengths: Vector | None = None
    ) -> Self:
        """Fit the model of a study with more trials than its history holds: as `fit`, in less time."""
        kept = representative(targets, POSTERIOR_LIMIT)
        return cls._of(_large, points[kept], targets[kept], categorical=categorical, lengths=lengths)

    @classmethod
    def _of(
        cls,
        process: Callable[[Points, Vector, kernel_fit.Kernel, NDArray[np.bool_]], Any],
        points: Points,
        targets: Vector,
        *,
        categorical: NDArray[np.bool_],
        lengths: Vector | None,
    ) -> Self:
        mean, spread = float(targets.mean()), float(targets.std()) or 1.0
        scaled = (targets - mean) / spread
        some = representative(scaled, FIT_LIMIT)
        kernel = kernel_fit.fit(points[some], scaled[some], categorical=categorical, lengths=lengths)
        made = process(points, scaled, kernel, categorical)
        return cls(made, mean, spread, made)

    @_one_thread()
    def condition_on(self, points: Points, *, failed: Points | None = None, worst: Vector | None = None) -> None:
        """Condition on the predicted values of pending points (kriging believer), so that the next point differs.

        Points that `failed` get `worst`, a value each.
        """
        at = _tensor(points if failed is None else np.concatenate([points, failed]))
        if len(at):
            expected = _mean(self._fitted, at)
            if worst is not None:
                expected[len(points) :] = _tensor((worst - self._mean) / self._spread)
            self._process = copy(self._fitted)
            self._process.append_running_data(at, expected)

    @_one_thread()
    def predict(self, points: Points) -> tuple[Vector, Vector]:
        """Return means and standard deviations."""
        mean, variance = self._process.posterior(_tensor(points))
        return mean.numpy() * self._spread + self._mean, np.sqrt(variance.numpy()) * self._spread

    @_one_thread()
    def mean(self, points: Points) -> Vector:
        """Return means alone, those of `predict`: without the deviations they cost a tenth."""
        return np.asarray(_mean(self._process, _tensor(points)).numpy() * self._spread + self._mean)

    @_one_thread()
    def correlation(self, points: Points, others: Points) -> NDArray[np.float64]:
        """Return (points, others): the kernel's correlation between them, 0..1."""
        covariance = self._process.kernel(_tensor(points), _tensor(others))
        return np.asarray((covariance / self._process.kernel_scale).numpy())


def _optuna(points: Points, targets: Vector, kernel: kernel_fit.Kernel, categorical: NDArray[np.bool_]) -> Any:  # noqa: ANN401
    """Return Optuna's process with a fitted kernel."""
    from optuna._gp import gp

    process = gp.GPRegressor(
        is_categorical=_tensor(categorical),
        X_train=_tensor(points),
        y_train=_tensor(targets),
        inverse_squared_lengthscales=_tensor(kernel.inverse_squared_lengths),
        kernel_scale=_tensor(np.array(kernel.scale)),
        noise_var=_tensor(np.array(kernel.noise)),
    )
    process._cache_matrix()
    return process


def _large(points: Points, targets: Vector, kernel: kernel_fit.Kernel, categorical: NDArray[np.bool_]) -> Any:  # noqa: ANN401
    from automl.hpo.sampler.large_process import LargeProcess

    return LargeProcess(_tensor(points), _tensor(targets), kernel, categorical)


def _mean(process: Any, points: Any) -> Any:  # noqa: ANN401
    """Return the posterior means as Optuna's `posterior` computes them."""
    import torch

    return torch.linalg.vecdot(process.kernel(points, process._X_all), process._cov_Y_Y_inv_Y)


def log_improvement(mean: Vector, deviation: Vector, *, over: float) -> Vector:
    """Return the logarithm of the expected improvement over a value (Ament et al. 2023, arXiv:2310.20708)."""
    from optuna._gp import acqf

    deviation = deviation + 1e-12
    return np.asarray(acqf.standard_logei(_tensor((mean - over) / deviation)).numpy() + np.log(deviation))


def _tensor(array: NDArray[Any]) -> Any:  # noqa: ANN401
    import torch

    return torch.from_numpy(array)


def representative(targets: Vector, most: int) -> NDArray[np.int64]:
    """Return the observations to keep: the best half of `most`, as many of the others spaced evenly by rank."""
    order = np.argsort(-targets, kind="stable")
    if len(order) <= most:
        return np.arange(len(order))
    best, rest = order[: most // 2], order[most // 2 :]
    evenly = rest[np.linspace(0, len(rest) - 1, most - most // 2).astype(int)]
    return np.sort(np.concatenate([best, evenly]))
