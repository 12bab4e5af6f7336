"""Ranges that no float can draw from are refused, and those at the edge are drawn from rightly."""

from typing import Any

import numpy as np
import pytest

from automl.hpo.sampler.encoding import Encoding
from automl.study.parameter_laws import MOST_CHOICES, MOST_RANGES, parameter_mistakes, size_mistakes
from tests.builders import spec_of

WHOLE = {"type": "int"}


def told(part: object) -> list[str]:
    spec = spec_of(space={"lr0": part})
    return [*size_mistakes(spec.space), *parameter_mistakes(spec.space, spec.parts())]


@pytest.mark.parametrize(
    ("low", "high", "more", "law"),
    [
        (-1e308, 1e308, {}, "high - low must be below 1.8e308, but got low=-1e+308, high=1e+308"),
        (5e-324, 1.0, {"log": True}, "high / low must be below 1.8e308, but got low=4.94066e-324, high=1"),
        (0.0, 1e300, WHOLE, "type int must lie within 2^53 of 0, but got low=0, high=1e+300"),
        (-1e300, 0.0, WHOLE, "type int must lie within 2^53 of 0, but got low=-1e+300, high=0"),
    ],
)
def test_a_range_that_no_float_spans_is_refused(low: float, high: float, more: dict[str, Any], law: str) -> None:
    assert told({"low": low, "high": high, "default": high, **more}) == [f"space.lr0: {law}"]


@pytest.mark.parametrize(
    ("low", "high", "more"),
    [
        (-8e307, 8e307, {}),
        (1e-300, 1e7, {"log": True}),
        (5e-324, 1e-300, {"log": True}),
        (0.0, 2.0**53, WHOLE),
        (1.0, 2.0**53, {**WHOLE, "log": True}),
    ],
)
def test_draws_from_the_widest_ranges_fill_them(low: float, high: float, more: dict[str, Any]) -> None:
    part = {"low": low, "high": high, "default": high, **more}
    assert told(part) == []
    space = spec_of(space={"lr0": part}).search_space
    encoding = Encoding(space)
    drawn = [encoding.decode(point) for point in encoding.draw(200, np.random.default_rng(0))]
    assert all(space.contains(params) for params in drawn)
    shares = encoding.encode(drawn)[:, 0]
    assert 0.3 < shares.mean() < 0.7
    assert len({params["lr0"] for params in drawn}) > 190


@pytest.mark.parametrize(
    ("count", "made"),
    [
        (MOST_CHOICES, lambda count: {"choices": [*range(count)], "default": 0}),
        (MOST_RANGES, lambda count: [{"low": 0, "high": 1, "default": 0, "when": {"a": [n]}} for n in range(count)]),
    ],
)
def test_as_many_as_may_be_are_taken_and_one_more_is_not(count: int, made: Any) -> None:
    assert not any("at most" in line for line in told(made(count)))
    (line,) = told(made(count + 1))
    assert f"must have at most {count} " in line


@pytest.mark.parametrize("choices", [[1, True], [1, 1.0], ["1", 1], ["a", "a"], [2**70, 2**70], [0x10**6000] * 2])
def test_choices_that_are_one_to_python_or_to_a_reader_are_refused(choices: list[Any]) -> None:
    assert "choices must differ" in told({"choices": choices, "default": choices[0]})[0]
