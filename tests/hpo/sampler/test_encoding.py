"""Params as points and back: nothing is lost, and no point leaves the space."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.hpo.sampler.encoding import Encoding
from automl.study import Params
from automl.study.space import Alternatives, Choice, Integer, Real, SearchSpace
from tests.builders import mixed_space, rates_space, space_of
from tests.spaces import params_of, spaces

seeds = st.integers(0, 2**32 - 1)
NESTED = space_of(
    optimizer=Choice(("SGD", "AdamW"), "SGD"),
    nesterov=Choice((True, False), True, when={"optimizer": ("SGD",)}),
    momentum=Real(0.5, 0.99, 0.9, when={"nesterov": (True,)}),
)
"""A condition on a parameter that is itself conditional."""


def same(one: Params, other: Params) -> bool:
    """Tell whether params are equal, real numbers but for rounding."""
    return set(one) == set(other) and all(
        other[name] == pytest.approx(value, rel=1e-9, abs=1e-9) if type(value) is float else other[name] == value
        for name, value in one.items()
    )


@given(spaces(), st.data())
def test_params_come_back_from_their_point(space: SearchSpace, data: st.DataObject) -> None:
    encoding, params = Encoding(space), data.draw(params_of(space))
    (point,) = encoding.encode([params])
    assert same(encoding.decode(point), params)
    assert ((point >= 0) & ((point <= 1) | encoding.categorical)).all()


@given(spaces(), seeds, st.floats(0.001, 3))
def test_no_draw_leaves_the_space(space: SearchSpace, seed: int, width: float) -> None:
    encoding, generator = Encoding(space), np.random.default_rng(seed)
    drawn = encoding.draw(6, generator)
    around = encoding.near(np.vstack([drawn, encoding.default]), generator, width=width)
    for point in [*drawn, *around, encoding.default]:
        assert space.contains(encoding.decode(point))


@given(spaces(), seeds)
def test_a_point_comes_back_from_its_params(space: SearchSpace, seed: int) -> None:
    encoding, generator = Encoding(space), np.random.default_rng(seed)
    drawn = encoding.draw(4, generator)
    points = np.vstack([drawn, encoding.near(drawn, generator, width=0.2)])
    again = encoding.encode([encoding.decode(point) for point in points])
    assert np.abs(points - again).max() < 1e-9, "a point that was tried is known again to that"


def test_params_that_do_not_exist_stand_at_their_default() -> None:
    encoding = Encoding(NESTED)
    points = encoding.draw(200, np.random.default_rng(0))
    without = np.array(["momentum" not in encoding.decode(point) for point in points])
    assert 0.4 < without.mean() < 0.9
    assert set(points[without, 2]) == {encoding.default[2]}
    assert len(set(points[~without, 2])) == (~without).sum()


def test_the_default_point_holds_the_default_params() -> None:
    for space in (mixed_space(), NESTED, rates_space(), rates_space("AdamW")):
        encoding = Encoding(space)
        assert same(encoding.decode(encoding.default), space.defaults())


def test_a_number_on_a_log_scale_is_placed_by_its_logarithm() -> None:
    encoding = Encoding(space_of(lr0=Real(1e-4, 1e-1, 1e-2, log=True), batch=Integer(2, 128, 16, log=True)))
    (point,) = encoding.encode([{"lr0": 1e-3, "batch": 8}])
    assert point.tolist() == pytest.approx([1 / 3, log(4) / log(64)])


def test_choices_are_told_apart_and_numbers_are_not_choices() -> None:
    encoding = Encoding(mixed_space())
    assert encoding.categorical.tolist() == [True, False, False, False]
    points = encoding.encode([{"optimizer": "SGD", "lr0": 0.1, "batch": 4}, {"optimizer": "AdamW", "lr0": 1e-4}])
    assert points[:, 0].tolist() == [0, 1]
    assert points[:, 1].tolist() == pytest.approx([1, 0])


def test_draws_reach_every_choice_and_every_part_of_a_range() -> None:
    encoding = Encoding(mixed_space())
    points = encoding.draw(400, np.random.default_rng(1))
    assert set(points[:, 0]) == {0, 1}
    shares, _ = np.histogram(points[:, 1], bins=4, range=(0, 1))
    assert shares.min() > 60


def test_near_moves_something_and_not_far() -> None:
    encoding = Encoding(space_of(**{f"p{number}": Real(0.0, 1.0, 0.5) for number in range(10)}))
    centers = np.full((300, 10), 0.5)
    moves = np.abs(encoding.near(centers, np.random.default_rng(2), width=0.04) - centers)
    assert (moves.max(axis=1) > 0).all()
    assert moves.max() < 0.3
    assert 0.2 < (moves > 0).mean() < 0.5, "some parameters of each, not all"


def test_a_center_on_a_border_is_not_stuck_to_it() -> None:
    encoding = Encoding(space_of(lr0=Real(0.0, 1.0, 0.0)))
    for border in (0.0, 1.0):
        found = encoding.near(np.full((100, 1), border), np.random.default_rng(3), width=0.1)
        assert (found != border).all()


def test_near_changes_a_choice_now_and_then() -> None:
    encoding = Encoding(space_of(optimizer=Choice(("SGD", "AdamW", "Adam"), "SGD"), lr0=Real(0.0, 1.0, default=0.5)))
    shares = [
        (encoding.near(np.zeros((500, 2)), np.random.default_rng(4), width=width)[:, 0] != 0).mean()
        for width in (0.02, 0.3)
    ]
    assert 0 < shares[0] < 0.1 < shares[1]


def test_alternatives_share_one_column_the_share_of_the_live_range() -> None:
    encoding = Encoding(rates_space())
    points = encoding.encode([
        {"optimizer": "SGD", "lr0": 0.05}, {"optimizer": "AdamW", "lr0": 5e-3}, {"optimizer": "AdamW", "lr0": 1e-4},
        {"optimizer": "auto"},
    ])  # fmt: skip
    assert points[:, 1].tolist() == pytest.approx([1, 1, 0, log(10) / log(50)]), "without a range: the first default"
    assert encoding.decode(np.array([1, 1.0])) == {"optimizer": "SGD", "lr0": 0.05}
    assert encoding.decode(np.array([2, 1.0])) == {"optimizer": "AdamW", "lr0": 5e-3}
    assert encoding.decode(np.array([0, 1.0])) == {"optimizer": "auto"}


def test_draws_spread_over_each_range_of_alternatives() -> None:
    encoding = Encoding(rates_space())
    points = encoding.draw(600, np.random.default_rng(5))
    for optimizer in (1, 2):
        shares, _ = np.histogram(points[points[:, 0] == optimizer, 1], bins=4, range=(0, 1))
        assert shares.min() > 30
    assert set(points[points[:, 0] == 0, 1]) == {encoding.default[1]}


def test_a_neighbour_under_another_optimizer_keeps_its_place_in_the_range() -> None:
    encoding = Encoding(rates_space())
    centers = encoding.encode([{"optimizer": "SGD", "lr0": 0.045}] * 300)
    found = encoding.near(centers, np.random.default_rng(6), width=0.02)
    rates = [encoding.decode(point)["lr0"] for point in found[found[:, 0] == 2]]
    assert 0 < len(rates) < 100
    assert all(3e-3 < float(rate) <= 5e-3 for rate in rates)


def test_whole_numbers_are_rounded_in_the_live_range() -> None:
    batches = Alternatives((Integer(0, 4, 1, when={"kind": ("x",)}), Integer(0, 2, 1, when={"kind": ("y",)})))
    encoding = Encoding(space_of(kind=Choice(("x", "y"), "x"), batch=batches))
    points = encoding.draw(200, np.random.default_rng(7))
    assert set(points[points[:, 0] == 0, 1]) == {0, 0.25, 0.5, 0.75, 1}
    assert set(points[points[:, 0] == 1, 1]) == {0, 0.5, 1}
