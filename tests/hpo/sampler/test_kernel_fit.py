"""The fit of the kernel: the parameters that Optuna's own fit finds, and the gradient of its loss."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from automl.hpo.sampler import kernel_fit
from automl.hpo.sampler.encoding import Points, Vector
from automl.hpo.sampler.kernel_fit import MINIMUM_NOISE, TOLERANCE

CATEGORICAL = np.array([False, False, True])


def observed(count: int, *, seed: int = 0) -> tuple[Points, Vector]:
    generator = np.random.default_rng(seed)
    points = generator.random((count, 3))
    points[:, 2] = generator.integers(0, 3, count)
    values = np.sin(4 * points[:, 0]) + 0.3 * (points[:, 2] == 1) + 0.1 * generator.standard_normal(count)
    return points, (values - values.mean()) / values.std()


@pytest.mark.parametrize("count", [3, 30, 100])
def test_the_kernel_is_that_of_optunas_own_fit(count: int) -> None:
    from optuna._gp import gp, prior  # noqa: PLC0415

    points, targets = observed(count)
    theirs = gp.fit_kernel_params(
        X=points,
        Y=targets,
        is_categorical=CATEGORICAL,
        log_prior=prior.default_log_prior,
        minimum_noise=MINIMUM_NOISE,
        deterministic_objective=False,
        gtol=TOLERANCE,
    )
    ours = kernel_fit.fit(points, targets, categorical=CATEGORICAL)
    assert ours.inverse_squared_lengths == pytest.approx(theirs.inverse_squared_lengthscales.numpy(), rel=1e-6)
    assert ours.scale == pytest.approx(theirs.kernel_scale.item(), rel=1e-6)
    assert ours.noise == pytest.approx(theirs.noise_var.item(), rel=1e-6)


@pytest.mark.parametrize("known", [[np.nan] * 3, [0.2, np.nan, 3.0]], ids=["no length known", "two lengths known"])
def test_the_gradient_is_that_of_the_loss(known: list[float]) -> None:
    points, targets = observed(20)
    loss = kernel_fit._loss(kernel_fit._squared(points, CATEGORICAL), targets, np.array(known))
    at = np.random.default_rng(1).normal(0, 0.5, 5)
    assert check_grad(lambda x: loss(x)[0], lambda x: loss(x)[1], at) < 1e-4


def test_a_failed_fit_is_told_and_leaves_the_parameters_of_the_start(caplog: pytest.LogCaptureFixture) -> None:
    points, _ = observed(5)
    found = kernel_fit.fit(points, np.full(5, np.nan), categorical=CATEGORICAL)
    assert (found.inverse_squared_lengths.tolist(), found.scale, found.noise) == ([1.0, 1.0, 1.0], 1.0, 1.0)
    assert "fit of its kernel failed" in caplog.text
