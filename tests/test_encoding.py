"""Params as points and back: nothing is lost, and no point leaves the space."""

from collections.abc import Sequence
from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.records import Params, ParamValue
from automl.sampler.encoding import Encoding
from automl.space import Choice, Integer, Parameter, Real, SearchSpace
from tests.builders import mixed_space, space_of

VALUES: list[ParamValue] = ["a", "b", 1, 2.5, False]
seeds = st.integers(0, 2**32 - 1)
NESTED = space_of(
    optimizer=Choice(("SGD", "AdamW"), "SGD"),
    nesterov=Choice((True, False), True, when={"optimizer": ("SGD",)}),
    momentum=Real(0.5, 0.99, 0.9, when={"nesterov": (True,)}),
)
"""A condition on a parameter that is itself conditional."""


class Drawing:
    """Hypothesis in the place of a sampler."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:  # noqa: ARG002
        return self._data.draw(st.floats(low, high), label=name)

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:  # noqa: ARG002
        return self._data.draw(st.integers(low, high), label=name)

    def suggest_categorical(self, name: str, choices: Sequence[ParamValue]) -> ParamValue:
        return self._data.draw(st.sampled_from(list(choices)), label=name)


@st.composite
def parameters(draw: st.DrawFn, when: dict[str, tuple[ParamValue, ...]]) -> Parameter:
    kind = draw(st.sampled_from(["real", "integer", "choice"]))
    scaled = draw(st.booleans())
    if kind == "choice":
        choices = draw(st.lists(st.sampled_from(VALUES), min_size=1, max_size=4, unique=True))
        return Choice(tuple(choices), draw(st.sampled_from(choices)), when)
    if kind == "integer":
        least = draw(st.integers(1 if scaled else -50, 50))
        most = least + draw(st.integers(0, 200))
        return Integer(least, most, draw(st.integers(least, most)), scaled, when)
    low = draw(st.floats(1e-6, 10))
    high = low * draw(st.floats(1.01, 1e4))
    low = low if scaled else low - draw(st.sampled_from([0.0, 20.0]))
    return Real(low, high, draw(st.floats(low, high)), scaled, when)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Return any space of up to six parameters; conditions may stand on conditions."""
    found: dict[str, Parameter] = {}
    for number in range(draw(st.integers(1, 6))):
        owners = {name: kind for name, kind in found.items() if isinstance(kind, Choice)}
        when: dict[str, tuple[ParamValue, ...]] = {}
        conditional: bool = draw(st.booleans())
        if owners and conditional:
            owner = draw(st.sampled_from(sorted(owners)))
            when[owner] = tuple(draw(st.lists(st.sampled_from(owners[owner].choices), min_size=1, unique=True)))
        found[f"p{number}"] = draw(parameters(when))
    space = SearchSpace(found)
    assert list(space.mistakes()) == []
    return space


def same(one: Params, other: Params) -> bool:
    """Tell whether params are equal, real numbers but for rounding."""
    return set(one) == set(other) and all(
        other[name] == pytest.approx(value, rel=1e-9, abs=1e-9) if type(value) is float else other[name] == value
        for name, value in one.items()
    )


@given(spaces(), st.data())
def test_params_come_back_from_their_point(space: SearchSpace, data: st.DataObject) -> None:
    encoding, params = Encoding(space), space.suggest(Drawing(data))
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
    for space in (mixed_space(), NESTED):
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
