"""The process of large studies predicts what Optuna's does, and is used above the bound of the history alone."""

from collections.abc import Callable

import numpy as np
import pytest

from automl.hpo.sampler.acquisition import HISTORY_LIMIT, Proposal
from automl.hpo.sampler.encoding import Encoding, Points
from automl.hpo.sampler.gaussian_process import Model
from automl.hpo.sampler.observations import Observations, ObservedTrial
from automl.hpo.sampler.transfer_prior import TransferPrior
from automl.study import Measurement
from automl.study.space import Real
from tests.builders import METRIC, space_of
from tests.hpo.sampler.test_kernel_fit import CATEGORICAL, observed


def both(count: int, *, pending: bool) -> list[tuple[Model, Points]]:
    """Return Optuna's process and that of large studies, on the same observations, and points to ask about."""
    points, targets = observed(count)
    asked, _ = observed(50, seed=1)
    made = [fit(points, targets, categorical=CATEGORICAL) for fit in (Model.fit, Model.fit_large)]
    for model in made:
        if pending:
            running, _ = observed(9, seed=2)
            failed, _ = observed(4, seed=3)
            model.condition_on(running, failed=failed, worst=np.full(4, -2.0))
    return [(model, asked) for model in made]


@pytest.mark.parametrize("pending", [False, True])
@pytest.mark.parametrize("count", [3, 120, 400])
def test_it_predicts_what_optunas_process_does(count: int, *, pending: bool) -> None:
    (optunas, asked), (large, _) = both(count, pending=pending)
    for ours, theirs in zip(large.predict(asked), optunas.predict(asked), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)
    assert large.mean(asked) == pytest.approx(optunas.mean(asked), abs=1e-6)
    assert large.correlation(asked, asked) == pytest.approx(optunas.correlation(asked, asked), abs=1e-6)


@pytest.mark.parametrize("fit", [Model.fit, Model.fit_large])
def test_means_alone_are_those_of_a_prediction(fit: Callable[..., Model]) -> None:
    points, targets = observed(60)
    model = fit(points, targets, categorical=CATEGORICAL)
    asked, _ = observed(50, seed=1)
    assert model.mean(asked).tolist() == model.predict(asked)[0].tolist()


@pytest.mark.parametrize(("trials", "kind"), [(HISTORY_LIMIT, "GPRegressor"), (HISTORY_LIMIT + 1, "LargeProcess")])
def test_a_study_within_the_bound_has_optunas_process(trials: int, kind: str) -> None:
    encoding, chance = (
        Encoding(space_of(lr0=Real(0.0, 1.0, 0.5), momentum=Real(0.0, 1.0, 0.5))),
        np.random.default_rng(0),
    )
    seen = [ObservedTrial(point, runs=False) for point in encoding.draw(trials, chance)]
    for trial in seen:
        trial.record([Measurement(1, {METRIC: 1 - abs(trial.point[0] - 0.3)}, 1.0)], METRIC)
    proposal = Proposal(encoding, Observations.of(seen), TransferPrior(encoding, ()), 6)
    assert type(proposal._model._fitted).__name__ == kind
    assert abs(proposal.best(chance)[0] - 0.3) < 0.2
