"""The laws of a forecast, and how often its intervals hold on curves drawn here."""

from math import inf, isnan, nan
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.hpo import learning_curves
from automl.hpo.learning_curves import Forecast, forecast

EPOCHS = 20
values = st.integers(0, 1000).map(lambda value: value / 1000) | st.just(nan)
studies = st.lists(st.lists(values, max_size=EPOCHS), min_size=1, max_size=8)
positions = st.integers(0, 7)
few = settings(max_examples=50, deadline=None)


def best(curve: list[float]) -> float:
    return max((value for value in curve if not isnan(value)), default=-inf)


def numbers(found: Forecast) -> list[float]:
    return [found.low, found.final, found.high]


def table(kind: str, rows: int, seed: int) -> np.ndarray:
    """Return whole curves: of trials that rise smoothly, with noise, or for the most part not at all."""
    rng = np.random.default_rng(seed)
    rise = 1 - np.exp(-rng.lognormal(-1.5, 0.8, (rows, 1)) * np.arange(1, 51) ** 0.8)
    height = rng.beta(2, 2, (rows, 1))
    if kind == "chance":
        height = np.where(rng.random((rows, 1)) < 0.15, height, 0.01)
    return np.asarray(height * rise + rng.normal(0, {"smooth": 0.0, "noisy": 0.02, "chance": 0.001}[kind], (rows, 50)))


def promoted(whole: np.ndarray) -> list[int]:
    """Return how far each trial was trained where the best third goes on from epochs 2, 6 and 18."""
    ends, left = np.full(len(whole), 2), np.arange(len(whole))
    for rung, after in ((2, 6), (6, 18), (18, 50)):
        order = np.argsort(-whole[left, :rung].max(axis=1))
        left = left[order[: len(left) // 3]]
        ends[left] = after
    return [int(end) for end in ends]


def seen(whole: np.ndarray, ends: list[int]) -> list[list[float]]:
    return [row[:end].tolist() for row, end in zip(whole, ends, strict=True)]


@few
@given(studies)
def test_a_forecast_lies_in_its_interval_and_not_below_what_was_reached(study: list[list[float]]) -> None:
    for found, curve in zip(forecast(study, EPOCHS), study, strict=True):
        if any(best(other) > -inf for other in study):
            assert found.low <= found.final <= found.high
        assert not found.low < best(curve)


@few
@given(studies)
def test_a_finished_curve_forecasts_its_own_best(study: list[list[float]]) -> None:
    study.append([0.25, nan, 0.5, *([0.125] * (EPOCHS - 3))])
    assert forecast(study, EPOCHS)[-1] == Forecast(0.5, 0.5, 0.5)


@few
@given(studies, st.randoms(use_true_random=False))
def test_the_order_of_trials_does_not_matter(study: list[list[float]], random: Random) -> None:
    order = list(range(len(study)))
    random.shuffle(order)
    found = forecast(study, EPOCHS)
    shuffled = forecast([study[index] for index in order], EPOCHS)
    for place, index in enumerate(order):
        assert numbers(shuffled[place]) == pytest.approx(numbers(found[index]), rel=1e-6, abs=1e-6, nan_ok=True)


@few
@given(studies, st.sampled_from([0.01, 100.0]), st.sampled_from([-7.0, 0.0, 3.0]))
def test_a_metric_in_another_unit_is_forecast_in_that_unit(study: list[list[float]], unit: float, zero: float) -> None:
    plain = forecast(study, EPOCHS)
    other = forecast([[zero + unit * value for value in curve] for curve in study], EPOCHS)
    for one, found in zip(plain, other, strict=True):
        expected = [zero + unit * value for value in numbers(one)]
        assert numbers(found) == pytest.approx(expected, rel=1e-5, abs=1e-5 * unit, nan_ok=True)


@few
@given(studies, st.floats(0.3, 1.0))
def test_no_forecast_is_above_the_ceiling_nor_below_what_was_reached(study: list[list[float]], ceiling: float) -> None:
    for found, curve in zip(forecast(study, EPOCHS, ceiling=ceiling), study, strict=True):
        assert not found.high > max(ceiling, best(curve))


@few
@given(studies, positions)
def test_an_epoch_without_a_value_changes_nothing_that_was_reached(study: list[list[float]], at: int) -> None:
    curve = study[at % len(study)]
    if len(curve) >= EPOCHS or best(curve) == -inf:
        return
    curve.append(nan)
    assert forecast(study, EPOCHS)[at % len(study)].low >= best(curve)


def test_without_curves_nothing_is_known() -> None:
    assert forecast([], 5) == []
    (found,) = forecast([[]], 5, ceiling=1.0)
    assert isnan(found.final)
    assert (found.low, found.high) == (-inf, 1.0)


def test_where_all_values_are_the_same_any_rise_is_possible() -> None:
    assert forecast([[0.0], [0.0, 0.0], [nan]], 5, ceiling=1.0) == [
        Forecast(0.0, 0.0, 1.0),
        Forecast(0.0, 0.0, 1.0),
        Forecast(0.0, -inf, 1.0),
    ]


def test_a_trial_to_come_may_reach_what_the_study_reached() -> None:
    whole = table("smooth", 40, seed=1)
    *_, found = forecast([*seen(whole, promoted(whole)), []], 50)
    low, high = np.quantile(whole.max(axis=1), (0.25, 0.75))
    assert found.low < low < high < found.high
    assert low / 2 < found.final < high * 1.5


def test_the_longer_a_trial_was_trained_the_narrower_is_its_interval() -> None:
    whole = table("smooth", 60, seed=2)
    ends = promoted(whole)
    middling = int(np.argsort(whole[:, -1])[30])
    widths = []
    for end in (2, 18, 40):
        ends[middling] = end
        found = forecast(seen(whole, ends), 50)[middling]
        widths.append(found.high - found.low)
    assert widths[0] > 1.5 * widths[1] > 3 * widths[2]


def test_one_epoch_before_the_end_hardly_anything_is_left_to_gain() -> None:
    whole = table("smooth", 60, seed=2)
    ends = promoted(whole)
    ends[0] = 49
    found = forecast(seen(whole, ends), 50)[0]
    assert found.high - whole[0, :49].max() < 0.05


def test_a_study_whose_trials_rise_late_teaches_that_others_will() -> None:
    """The same two epochs, once among trials that stay where they are, once among trials that double."""
    rng = np.random.default_rng(3)
    starts = rng.uniform(0.1, 0.5, 30)
    stays = [[start * 0.9, start, *([start] * 48)] for start in starts]
    doubles = [[start * 0.9, start, *np.linspace(start, 2 * start, 48)] for start in starts]
    asked = [0.27, 0.3]
    scale = [[0.9, 1.0, *([1.0] * 48)]]
    still, rising = (forecast([asked, *others, *scale], 50)[0] for others in (stays, doubles))
    assert still.final < 0.35 < 0.45 < rising.final
    assert still.high < rising.high


def test_a_diverged_trial_does_not_blur_the_others() -> None:
    whole = table("smooth", 30, seed=4)
    study = seen(whole, promoted(whole))
    with_it = forecast([*study, [-1e9, -1e12]], 50)[0]
    assert numbers(with_it) == pytest.approx(numbers(forecast(study, 50)[0]), abs=0.3)


def test_of_very_many_longer_trials_a_part_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table("smooth", 120, seed=5)
    study = seen(whole, promoted(whole))
    all_heard = np.array([found.final for found in forecast(study, 50)])
    monkeypatch.setattr(learning_curves, "MOST_CURVES", 20)
    part = np.array([found.final for found in forecast(study, 50)])
    assert 0 < np.abs(part - all_heard).mean() < 0.05


def check(kind: str, trials: int, studies: int) -> tuple[float, float, float]:
    """Return how many intervals held, and the mean errors of the forecast and of the value so far."""
    rows = []
    for seed in range(studies):
        whole = table(kind, trials, seed)
        ends = promoted(whole)
        for found, end, curve in zip(forecast(seen(whole, ends), 50), ends, whole, strict=True):
            if end < 50:
                truth = curve.max()
                rows.append((found.low <= truth <= found.high, abs(found.final - truth), truth - curve[:end].max()))
    held, error, naive = np.mean(rows, axis=0)
    return float(held), float(error), float(naive)


@pytest.mark.parametrize("kind", ["smooth", "noisy", "chance"])
@pytest.mark.parametrize("trials", [6, 30, 100])
def test_intervals_hold_on_curves_of_another_kind_than_the_prior_was_fitted_to(kind: str, trials: int) -> None:
    held, error, naive = check(kind, trials, studies=20)
    assert 0.75 <= held <= 0.99
    assert error < 0.75 * naive


def test_trials_of_a_large_study_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(3)
    curves = [np.maximum.accumulate(chance.random(length)).tolist() for length in chance.integers(1, 12, 60)]
    whole = learning_curves.forecast(curves, 12)
    monkeypatch.setattr(learning_curves, "BLOCK", 4)
    parts = learning_curves.forecast(curves, 12)
    assert [one.final for one in parts] == pytest.approx([one.final for one in whole], rel=1e-12)
    assert [one.high for one in parts] == pytest.approx([one.high for one in whole], rel=1e-12)
