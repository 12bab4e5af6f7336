"""What may vary: drawing and checking agree, conditions hold, dead dimensions are found."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.records import Params, ParamValue
from automl.space import Choice, Integer, Parameter, Real, SearchSpace
from tests.builders import FakeRules, mixed_space, space_of

SETTINGS = FakeRules().settings()


@dataclass
class Dice:
    """Draws at random, and now and then an end of the range; takes what Optuna's trial takes."""

    random: Random

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:  # noqa: ARG002
        return self.random.choice([low, high, low + (high - low) * self.random.random()])

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:  # noqa: ARG002
        return self.random.randint(low, high)

    def suggest_categorical(self, name: str, choices: Sequence[ParamValue]) -> ParamValue:  # noqa: ARG002
        return self.random.choice(choices)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Draw a space of up to six parameters, conditional on earlier choices now and then."""
    parameters: dict[str, Parameter] = {}
    for number in range(draw(st.integers(1, 6))):
        parents = {name: kind.choices for name, kind in parameters.items() if isinstance(kind, Choice)}
        when: dict[str, tuple[ParamValue, ...]] = {}
        conditional = draw(st.booleans())
        if parents and conditional:
            name = draw(st.sampled_from(sorted(parents)))
            when = {name: tuple(draw(st.sets(st.sampled_from(parents[name]), min_size=1)))}
        parameters[f"p{number}"] = draw(parameter(when))
    return SearchSpace(parameters)


def parameter(when: dict[str, tuple[ParamValue, ...]]) -> st.SearchStrategy[Parameter]:
    reals = st.lists(st.floats(-100, 100), min_size=3, max_size=3).map(sorted)
    integers = st.lists(st.integers(-100, 100), min_size=3, max_size=3).map(sorted)
    choices = st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True)
    return st.one_of(
        reals.map(lambda ends: Real(ends[0], ends[2], ends[1], when=when)),
        integers.map(lambda ends: Integer(ends[0], ends[2], ends[1], when=when)),
        choices.map(lambda values: Choice(tuple(values), values[-1], when=when)),
    )


@given(space=spaces(), random=st.randoms(use_true_random=False))
def test_whatever_is_drawn_is_contained(space: SearchSpace, random: Random) -> None:
    assert space.contains(space.suggest(Dice(random)))


@given(space=spaces())
def test_the_default_params_are_contained(space: SearchSpace) -> None:
    assert space.contains(space.defaults())
    assert list(space.mistakes()) == []


@given(space=spaces(), random=st.randoms(use_true_random=False))
def test_params_with_one_more_or_one_less_are_not_contained(space: SearchSpace, random: Random) -> None:
    params = space.suggest(Dice(random))
    assert not space.contains({**params, "stranger": 1})
    name = random.choice(list(params))
    assert not space.contains({key: value for key, value in params.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr0", 0.2), ("lr0", 1e-5), ("lr0", "0.01"), ("lr0", True), ("lr0", float("nan")),
        ("batch", 3), ("batch", 65), ("batch", 16.0), ("batch", True), ("optimizer", "Adam"), ("momentum", 1.0),
    ],
)  # fmt: skip
def test_a_value_outside_its_parameter_is_not_contained(name: str, value: ParamValue) -> None:
    params = mixed_space().defaults()
    assert mixed_space().contains(params)
    assert not mixed_space().contains({**params, name: value})


@pytest.mark.parametrize("kind", [Real(0.0, 2.0, 1.0), Integer(0, 2, 1)])
def test_true_is_no_number(kind: Real | Integer) -> None:
    assert space_of(a=kind).contains({"a": 1})
    assert not space_of(a=kind).contains({"a": True})


def test_a_conditional_parameter_exists_under_its_condition_only() -> None:
    params: Params = {"optimizer": "AdamW", "lr0": 0.01, "batch": 16}
    assert mixed_space().contains(params)
    assert not mixed_space().contains({**params, "momentum": 0.9})
    assert not mixed_space().contains({**params, "optimizer": "SGD"})


def test_a_child_of_an_absent_parent_is_absent() -> None:
    space = space_of(
        a=Choice((1, 2), 1), b=Choice((1, 2), 1, when={"a": (2,)}), c=Real(0.0, 1.0, 0.5, when={"b": (1,)})
    )
    assert space.defaults() == {"a": 1}
    assert space.contains({"a": 1})
    assert not space.contains({"a": 1, "c": 0.5})


@pytest.mark.parametrize(
    ("when", "mistake"),
    [
        ({"later": ("x",)}, "must name a parameter with choices that stands earlier in space, one of ['kind']"),
        ({"none": ("x",)}, "must name a parameter with choices that stands earlier in space, one of ['kind']"),
        ({"child": ("x",)}, "must name a parameter with choices that stands earlier in space, one of ['kind']"),
        ({"number": (1.0,)}, "must name a parameter with choices that stands earlier in space, one of ['kind']"),
        ({"kind": ("x", "z")}, "must be among the choices ['x', 'y'], but got ['z']"),
        ({"kind": ()}, "must name at least one of the choices ['x', 'y'], but got none"),
    ],
)
def test_a_condition_names_an_earlier_choice_and_its_values(
    when: dict[str, tuple[ParamValue, ...]], mistake: str
) -> None:
    space = space_of(
        kind=Choice(("x", "y"), "x"),
        number=Real(0.0, 1.0, 0.5),
        child=Real(0.0, 1.0, 0.5, when=when),
        later=Choice(("x",), "x"),
    )
    assert list(space.mistakes()) == [f"space.child.when.{next(iter(when))}: {mistake}"]


RATE = Real(1e-4, 0.1, 0.01)
SOME = Choice(("SGD", "AdamW"), "SGD")
ADAMS = Choice(("AdamW", "NAdam"), "AdamW")
WITH_AUTO = Choice(("auto", "SGD"), "auto")


@pytest.mark.parametrize(
    ("space", "settings", "dead"),
    [
        (space_of(lr0=RATE), {}, ["lr0"]),
        (space_of(lr0=RATE, momentum=RATE), {"optimizer": "Auto"}, ["lr0", "momentum"]),
        (space_of(lr0=RATE), {"optimizer": "SGD"}, []),
        (space_of(optimizer=SOME, lr0=RATE), {}, []),
        (space_of(optimizer=WITH_AUTO, lr0=RATE), {}, ["lr0"]),
        (space_of(optimizer=WITH_AUTO, lr0=Real(0.1, 1.0, 0.5, when={"optimizer": ("SGD",)})), {}, []),
        (space_of(warmup_momentum=RATE), {"optimizer": "Adam"}, ["warmup_momentum"]),
        (space_of(optimizer=ADAMS, warmup_momentum=RATE), {}, ["warmup_momentum"]),
        (space_of(optimizer=SOME, warmup_momentum=RATE), {}, []),
        (space_of(dropout=RATE), {}, ["dropout"]),
        (space_of(mosaic=RATE, mixup=RATE), {"close_mosaic": 20}, ["mosaic", "mixup"]),
        (space_of(mosaic=RATE), {"close_mosaic": 19}, []),
        (space_of(mosaic=RATE, close_mosaic=Integer(0, 30, 5)), {}, []),
        (space_of(mosaic=RATE, close_mosaic=Choice((20, 30), 20)), {}, ["mosaic", "close_mosaic"]),
    ],
)
def test_a_parameter_without_effect_is_called_dead(
    space: SearchSpace, settings: dict[str, ParamValue], dead: list[str]
) -> None:
    told = space.dead({**SETTINGS, **settings}, epochs=20)
    assert [line.partition(": ")[0] for line in told] == [f"space.{name}" for name in dead]
