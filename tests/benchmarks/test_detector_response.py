"""Response surfaces: functions drawn from the posterior of a table of trainings."""

import numpy as np
import pytest

from benchmarks.detector_response import Response, Scales, Surface, Table, fitted

EPOCHS = 5


def table(count: int = 12, *, peak: float = 0.3) -> Table:
    """Return trainings whose end depends on the first parameter only; the second and a choice do nothing."""
    points = np.random.default_rng(4).random((count, 3))
    points[:, 2] = np.arange(count) % 2
    top = 0.1 + 0.5 * np.exp(-8 * (points[:, 0] - peak) ** 2)
    return Table(points, (0, 0, 2), top[:, None] * (1 - 0.4 ** np.arange(1, EPOCHS + 1)))


@pytest.fixture
def response() -> Response:
    return Response(table(), Scales(np.array([0.5, 5.0, 5.0]), 1e-4, 1.3))


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_function_agrees_with_the_rows_up_to_their_noise(response: Response, seed: int | None) -> None:
    found = Surface(response, seed).at(response.table.points)
    assert np.abs(found - response.table.curves).max() < 0.05


def test_functions_differ_away_from_the_rows_and_are_the_same_for_one_seed(response: Response) -> None:
    asked = np.column_stack([np.linspace(0, 1, 9), np.zeros(9), np.zeros(9)])
    first, again, other = (Surface(response, seed).at(asked) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_noise_of_a_training_is_its_own_and_repeatable(response: Response) -> None:
    noisy = Response(response.table, Scales(response.scales.lengths, 0.2, 1.3))
    surface, point = Surface(noisy, 1), np.array([0.5, 0.5, 1.0])
    assert np.array_equal(surface.noisy(point), surface.noisy(point))
    assert not np.allclose(surface.noisy(point), surface.at(point[None])[0])


def test_no_value_leaves_the_range_of_the_metric(response: Response) -> None:
    found = Surface(Response(response.table, Scales(np.full(3, 0.2), 1.0, 2.0)), 3).at(
        np.random.default_rng(0).random((500, 3)).round()
    )
    assert found.min() >= 0
    assert found.max() <= 1


def test_a_parameter_without_effect_gets_a_longer_scale_than_one_with_effect() -> None:
    scales = fitted([table(30, peak=0.3), table(30, peak=0.6)])
    assert scales.lengths[0] < 1 < scales.lengths[1]
    assert scales.noise < 0.2
