"""The contract with Optuna's private Gaussian process: what it must do for us, in any version that is allowed."""

import numpy as np
import pytest
from scipy.stats import norm

from automl.hpo.sampler.encoding import Points, Vector
from automl.hpo.sampler.gaussian_process import FIT_LIMIT, POSTERIOR_LIMIT, Model, log_improvement

NUMBERS = np.array([False, False])


def hill(points: Points) -> Vector:
    return np.asarray(3.0 - 20 * (points[:, 0] - 0.3) ** 2 - np.abs(points[:, 1] - 0.6))


def drawn(count: int, *, seed: int = 0) -> Points:
    return np.random.default_rng(seed).random((count, 2))


def fitted(count: int = 30) -> Model:
    points = drawn(count)
    return Model.fit(points, hill(points), categorical=NUMBERS)


def observations(model: Model) -> Points:
    """Return what the posterior stands on, believed points included."""
    return np.asarray(model._process._X_all.numpy())


def test_a_smooth_function_is_predicted_where_it_was_not_seen() -> None:
    model, asked = fitted(), drawn(100, seed=1)
    mean, deviation = model.predict(asked)
    off = mean - hill(asked)
    assert np.sqrt((off**2).mean()) < 0.2 * hill(asked).std()
    assert np.median(np.abs(off) / deviation) < 3


def test_what_is_far_from_all_observations_is_less_sure() -> None:
    points = drawn(30) / 4
    model = Model.fit(points, hill(points), categorical=NUMBERS)
    _, near = model.predict(points)
    _, far = model.predict(np.array([[0.9, 0.9]]))
    assert far[0] > 3 * near.max()


def test_predictions_are_in_the_unit_of_the_targets() -> None:
    points = drawn(20)
    one = Model.fit(points, hill(points), categorical=NUMBERS).predict(points)
    other = Model.fit(points, hill(points) * 1000 - 7, categorical=NUMBERS).predict(points)
    assert other[0] == pytest.approx(one[0] * 1000 - 7, rel=1e-3)
    assert other[1] == pytest.approx(one[1] * 1000, rel=1e-2)


def test_a_known_length_scale_tells_which_parameter_matters_where_few_points_do_not() -> None:
    points = drawn(6)
    first = Model.fit(points, np.sin(9 * points[:, 0]), categorical=NUMBERS, lengths=np.array([0.2, 20.0]))
    ends = np.array([[0.5, 0.0], [0.5, 1.0], [0.9, 0.0]])
    correlation = first.correlation(ends[:1], ends)[0]
    assert correlation[1] > 0.9, "the second parameter may go from end to end"
    assert correlation[2] < 0.5, "the first may not"


def test_without_known_length_scales_the_fit_is_the_same_to_the_last_bit() -> None:
    points = drawn(12)
    one = Model.fit(points, hill(points), categorical=NUMBERS).predict(points)
    other = Model.fit(points, hill(points), categorical=NUMBERS, lengths=np.full(2, np.nan)).predict(points)
    assert [part.tolist() for part in one] == [part.tolist() for part in other]


def test_fitted_twice_it_says_the_same_to_the_last_bit() -> None:
    asked = drawn(50, seed=2)
    for one, other in zip(fitted().predict(asked), fitted().predict(asked), strict=True):
        assert one.tolist() == other.tolist()


def test_a_running_point_is_believed_to_reach_what_is_expected() -> None:
    model, running = fitted(), np.array([[0.95, 0.05]])
    before = model.predict(running)
    model.condition_on(running)
    after = model.predict(running)
    assert after[0] == pytest.approx(before[0], abs=0.05)
    assert after[1][0] < 0.5 * before[1][0]


def test_all_points_that_run_are_given_each_time() -> None:
    again, once = fitted(), fitted()
    running = drawn(4, seed=3)
    for count in (1, 3, 4):
        again.condition_on(running[:count])
    once.condition_on(running)
    asked = drawn(20, seed=4)
    assert len(observations(again)) == 30 + 4
    for one, other in zip(again.predict(asked), once.predict(asked), strict=True):
        assert one == pytest.approx(other, abs=1e-9)


def test_where_trials_failed_nothing_is_promised() -> None:
    model, failed, near = fitted(), np.array([[0.95, 0.05]]), np.array([[0.93, 0.07]])
    before = model.predict(near)
    model.condition_on(drawn(2, seed=3), failed=failed, worst=np.array([-9.0]))
    after = model.predict(near)
    assert after[0][0] < before[0][0] - 1
    assert after[1][0] < 0.5 * before[1][0]
    assert len(observations(model)) == 30 + 3


def test_nothing_that_runs_changes_nothing() -> None:
    model, asked = fitted(), drawn(20, seed=5)
    before = model.predict(asked)[1].tolist()
    model.condition_on(np.empty((0, 2)))
    assert model.predict(asked)[1].tolist() == before


@pytest.mark.parametrize("count", [FIT_LIMIT + 1, POSTERIOR_LIMIT + 1, 1000])
def test_a_large_study_is_held_by_a_bounded_number_of_observations(count: int) -> None:
    points = drawn(count)
    targets = hill(points)
    model = Model.fit(points, targets, categorical=NUMBERS)
    held = observations(model)
    assert len(held) == min(count, POSTERIOR_LIMIT)
    best = points[np.argsort(-targets)[: len(held) // 2]]
    assert {tuple(point) for point in best} <= {tuple(point) for point in held}
    assert hill(held).min() < np.quantile(targets, 0.02), "bad ones are known too"
    asked = drawn(100, seed=1)
    assert np.sqrt(((model.predict(asked)[0] - hill(asked)) ** 2).mean()) < 0.2 * hill(asked).std()


def test_three_observations_and_equal_ones_are_enough() -> None:
    for targets in (np.array([0.1, 0.5, 0.2]), np.zeros(3)):
        mean, deviation = Model.fit(drawn(3), targets, categorical=NUMBERS).predict(drawn(5, seed=6))
        assert np.isfinite(mean).all()
        assert (deviation > 0).all()


def test_choices_are_alike_or_not_whatever_their_index() -> None:
    points = np.array([[float(index % 4), index / 20] for index in range(20)])
    targets = np.where(points[:, 0] == 2, 1.0, -1.0) + points[:, 1]
    model = Model.fit(points, targets, categorical=np.array([True, False]))
    alike = model.correlation(np.array([[0.0, 0.5]]), np.array([[0.0, 0.5], [1.0, 0.5], [3.0, 0.5], [0.0, 0.9]]))[0]
    assert alike[0] == pytest.approx(1)
    assert alike[1] == pytest.approx(alike[2])
    assert (alike[1:] < 1).all()
    mean, _ = model.predict(np.array([[2.0, 0.5], [3.0, 0.5]]))
    assert mean[0] > mean[1] + 1


def test_improvement_is_the_expected_gain_over_a_value() -> None:
    mean, deviation = np.array([0.0, 1.0, -2.0]), np.array([1.0, 0.5, 0.1])
    z = (mean - 0.5) / deviation
    wanted = deviation * (z * norm.cdf(z) + norm.pdf(z))
    assert log_improvement(mean[:2], deviation[:2], over=0.5) == pytest.approx(np.log(wanted[:2]), rel=1e-6)
    assert np.isfinite(log_improvement(mean, deviation, over=0.5)).all(), "where the gain itself is nought to a float"
    assert np.isfinite(log_improvement(mean, np.zeros(3), over=0.5)).all()
