"""Looks at a rung: which rows are trained again, and what the looks say of the end; what the model is shown of rows."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import check_grad

from automl.hpo.sampler import kernel_fit
from automl.hpo.sampler.acquisition import Proposal
from automl.hpo.sampler.encoding import Encoding
from automl.hpo.sampler.observations import Observations, ObservedTrial
from automl.hpo.sampler.transfer_prior import TransferPrior
from automl.study.space import Real, SearchSpace
from benchmarks import look_model, noisy_looks, rung_looks
from benchmarks.rung_looks import WAYS, compared, firsts


def row(number: int, *, plain: float, probe: float, final: float) -> dict[str, Any]:
    values = {"plain": plain, "probe": probe, "again": plain, "mean2": plain}
    looks = {way: {"2": values[way]} if way in values else {} for way in WAYS}
    costs = {"epoch_cpu": 4.0, "probe_cpu": 6.0, "mean_cpu": 2.0}
    return {"configuration": number, **looks, "final": final, **costs}


def test_a_look_that_ranks_as_the_end_does_gains_what_the_plain_one_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rung_looks, "DRAWS", 100)
    rows = [row(number, plain=-number if number % 2 else number, probe=number, final=number) for number in range(12)]
    found = compared({"one": rows, "two": rows})
    assert found["rows"] == {"one": 12, "two": 12}
    assert (found["2"]["probe"]["all"], found["2"]["probe"]["best_quarter"]) == (1.0, 1.0)
    assert found["2"]["probe"]["gain"] == pytest.approx(1 - found["2"]["plain"]["all"], abs=0.001)
    low, high = found["2"]["probe"]["gain_90"]
    assert 0 < low < found["2"]["probe"]["gain"] < high
    assert found["2"]["mean2"]["gain_90"] == [0.0, 0.0]
    assert "3" not in found, "no look at that rung"
    assert (found["probe_cpu"], found["mean_cpu"]) == (1.5, 0.5), "in epochs"


def test_of_each_configuration_the_first_training_to_its_end_is_looked_at() -> None:
    rows = [
        {"configuration": number, "seed": seed, "cause": cause}
        for number, seed, cause in [(0, 3, ""), (0, 1, ""), (2, 2, "crash"), (1, 1, "")]
    ]
    assert [(one["configuration"], one["seed"]) for one in firsts(rows)] == [(0, 1), (1, 1)]


def test_equal_values_say_nothing() -> None:
    assert rung_looks.ranks(np.zeros(4), np.arange(4.0)) == 0.0


def test_rows_are_cut_as_a_search_cuts_trials() -> None:
    curves = np.arange(108.0).reshape(9, 12)
    assert look_model.cut(curves).tolist() == [2, 2, 2, 2, 2, 2, 6, 6, 12]
    trial = look_model.observed(np.zeros(2), curves[8, :6])
    assert (len(trial.values), trial.best) == (6, 101.0)


def test_with_noise_by_epochs_a_look_says_less_than_a_whole_training() -> None:
    encoding = Encoding(SearchSpace({"lr0": Real(0.0, 1.0, default=0.5)}))

    def trained(place: float, value: float, epochs: int) -> ObservedTrial:
        return look_model.observed(encoding.encode([{"lr0": place}])[0], np.full(epochs, value))

    def mean(epochs: int) -> float:
        others = [trained(place, 0.2 + 0.1 * place, 9) for place in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
        seen, transfer = [*others, trained(0.5, 0.9, epochs)], TransferPrior(encoding, ())
        proposal = Proposal(encoding, Observations.of(seen), transfer, 9, lengths=np.array([0.3]))
        return float(proposal._model.predict(np.array([[0.5]]))[0][0])

    before = mean(1), mean(9)
    assert before[0] == before[1], "its rank is the first in both"
    with noisy_looks.known():
        assert mean(1) < mean(9) - 0.1
    assert (mean(1), mean(9)) == before


def test_the_gradient_with_noise_by_epochs_is_that_of_its_loss() -> None:
    points = np.random.default_rng(0).random((20, 2))
    squared = kernel_fit._squared(points, np.array([False, False]))
    noise = np.linspace(1.0, 7.0, 20)
    loss = noisy_looks._loss(squared, np.sin(9 * points[:, 0]), np.array([0.3, np.nan]), noise)
    at = np.random.default_rng(1).normal(0, 0.5, 4)
    assert check_grad(lambda x: loss(x)[0], lambda x: loss(x)[1], at) < 1e-4
