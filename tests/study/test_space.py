"""What may vary: drawing and checking agree, conditions hold, dead dimensions are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.study import Params, ParamValue
from automl.study.space import Alternatives, Choice, Integer, Real, SearchSpace, live
from automl.trainers.yolo.dead_parameters import dead_parameters
from tests.builders import FakeRules, mixed_space, rates_space, space_of
from tests.spaces import params_of, spaces

SETTINGS = FakeRules().settings()


@given(space=spaces(), data=st.data())
def test_whatever_is_drawn_is_contained(space: SearchSpace, data: st.DataObject) -> None:
    assert space.contains(data.draw(params_of(space)))


@given(space=spaces())
def test_the_default_params_are_contained(space: SearchSpace) -> None:
    assert space.contains(space.defaults())
    assert list(space.mistakes()) == []


@given(space=spaces(), data=st.data())
def test_params_with_one_more_or_one_less_are_not_contained(space: SearchSpace, data: st.DataObject) -> None:
    params = data.draw(params_of(space))
    assert not space.contains({**params, "stranger": 1})
    name = data.draw(st.sampled_from(sorted(params)))
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
        ({"later": ("x",)}, "must name a parameter with choices that comes earlier in space, one of ['kind']"),
        ({"none": ("x",)}, "must name a parameter with choices that comes earlier in space, one of ['kind']"),
        ({"child": ("x",)}, "must name a parameter with choices that comes earlier in space, one of ['kind']"),
        ({"number": (1.0,)}, "must name a parameter with choices that comes earlier in space, one of ['kind']"),
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


@pytest.mark.parametrize(
    ("params", "held"),
    [
        ({"optimizer": "SGD", "lr0": 0.04}, True),
        ({"optimizer": "AdamW", "lr0": 0.04}, False),
        ({"optimizer": "AdamW", "lr0": 0.004}, True),
        ({"optimizer": "auto"}, True),
        ({"optimizer": "auto", "lr0": 0.004}, False),
        ({"optimizer": "SGD"}, False),
    ],
)
def test_the_range_of_alternatives_is_the_live_one(params: Params, *, held: bool) -> None:
    assert rates_space().contains(params) is held


def test_alternatives_have_the_default_of_the_live_range_and_none_where_none_is_live() -> None:
    assert rates_space("auto").defaults() == {"optimizer": "auto"}
    assert rates_space("SGD").defaults() == {"optimizer": "SGD", "lr0": 0.01}
    assert rates_space("AdamW").defaults() == {"optimizer": "AdamW", "lr0": 0.001}
    assert live(rates_space().parameters["lr0"], {"optimizer": "auto"}) is None


def rate(**when: tuple[ParamValue, ...]) -> Real:
    return Real(0.1, 1.0, 0.5, when=when)


WITHOUT = "must have a condition, such as when: {optimizer: [SGD]}, but has no when"
APART = "space.a: 0 and 1 must exclude each other by one parameter in when without a common value, but got"


@pytest.mark.parametrize(
    ("ranges", "mistakes"),
    [
        ([rate(kind=("x",)), rate(kind=("y",))], []),
        ([rate(kind=("x", "y"), other=(1,)), rate(kind=("x",), other=(2,))], []),
        ([rate(kind=("x",))], []),
        ([rate(), rate(kind=("y",))], [f"space.a.0: {WITHOUT}"]),
        ([rate(kind=("x", "y")), rate(kind=("y",))], [f"{APART} {{'kind': ['x', 'y']}} and {{'kind': ['y']}}"]),
        ([rate(kind=("x",)), rate(other=(1,))], [f"{APART} {{'kind': ['x']}} and {{'other': [1]}}"]),
        ([rate(kind=("x",)), rate(kind=("z",))],
         ["space.a.1.when.kind: must be among the choices ['x', 'y'], but got ['z']"]),
        ([rate(none=(1,))],
         ["space.a.0.when.none: must name a parameter with choices that comes earlier in space, one of "
          "['kind', 'other']"]),
    ],
)  # fmt: skip
def test_alternatives_exclude_each_other(ranges: list[Real], mistakes: list[str]) -> None:
    space = space_of(kind=Choice(("x", "y"), "x"), other=Choice((1, 2), 1), a=Alternatives(tuple(ranges)))
    assert list(space.mistakes()) == mistakes


RATE = Real(1e-4, 0.1, 0.01)
SOME = Choice(("SGD", "AdamW"), "SGD")
ADAMS = Choice(("AdamW", "NAdam"), "AdamW")
WITH_AUTO = Choice(("Auto", "SGD", "AdamW"), "Auto")
OF_SGD = Real(0.1, 1.0, 0.5, when={"optimizer": ("SGD",)})
OF_AUTO = Real(0.1, 1.0, 0.5, when={"optimizer": ("Auto", "AdamW")})


@pytest.mark.parametrize(
    ("space", "settings", "dead"),
    [
        (space_of(lr0=RATE), {}, ["lr0"]),
        (space_of(lr0=RATE, momentum=RATE), {"optimizer": "Auto"}, ["lr0", "momentum"]),
        (space_of(lr0=RATE), {"optimizer": "SGD"}, []),
        (space_of(optimizer=SOME, lr0=RATE), {}, []),
        (space_of(optimizer=WITH_AUTO, lr0=RATE, momentum=RATE), {}, ["lr0", "momentum"]),
        (space_of(optimizer=WITH_AUTO, warmup_bias_lr=RATE), {}, ["warmup_bias_lr"]),
        (space_of(optimizer=WITH_AUTO, warmup_momentum=RATE, weight_decay=RATE), {}, []),
        (space_of(optimizer=WITH_AUTO, lr0=OF_SGD, momentum=OF_AUTO), {}, ["momentum"]),
        (space_of(optimizer=WITH_AUTO, lr0=Alternatives((OF_SGD, OF_AUTO))), {}, ["lr0.1"]),
        (rates_space(), {}, []),
        (space_of(optimizer=WITH_AUTO, nested=Choice((1, 2), 1, when={"optimizer": ("SGD",)}),
                  lr0=Real(0.1, 1.0, 0.5, when={"nested": (1,)})), {}, []),
        (space_of(optimizer=WITH_AUTO, nested=Choice((1, 2), 1), lr0=Real(0.1, 1.0, 0.5, when={"nested": (1,)})), {},
         ["lr0"]),
        (space_of(warmup_momentum=RATE), {"optimizer": "Adam"}, ["warmup_momentum"]),
        (space_of(optimizer=ADAMS, warmup_momentum=RATE), {}, ["warmup_momentum"]),
        (space_of(optimizer=SOME, warmup_momentum=RATE), {}, []),
        (space_of(dropout=RATE), {}, ["dropout"]),
        (space_of(mosaic=RATE, mixup=RATE), {"close_mosaic": 20}, ["mosaic", "mixup"]),
        (space_of(mosaic=RATE), {"close_mosaic": 19}, []),
        (space_of(mosaic=RATE, close_mosaic=Integer(0, 30, 5)), {}, []),
        (space_of(mosaic=RATE, close_mosaic=Choice((20, 30), 20)), {}, ["mosaic", "close_mosaic"]),
    ],
)  # fmt: skip
def test_a_parameter_without_effect_is_called_dead(
    space: SearchSpace, settings: dict[str, ParamValue], dead: list[str]
) -> None:
    told = dead_parameters(space, {**SETTINGS, **settings}, epochs=20)
    assert [line.partition(": ")[0] for line in told] == [f"space.{name}" for name in dead]


def test_a_parameter_that_auto_ignores_is_refused_with_the_remedy() -> None:
    (told,) = dead_parameters(space_of(optimizer=WITH_AUTO, lr0=RATE), SETTINGS, epochs=20)
    assert told == (
        "space.lr0: optimizer=auto ignores it, so it must be conditional; add when: {optimizer: [SGD, AdamW]}"
    )


@pytest.mark.parametrize(
    ("space", "epochs", "remedy"),
    [
        (space_of(mosaic=RATE), 6, "--set train.close_mosaic=3, or --set ladder.max_epochs=11"),
        (space_of(mosaic=RATE), 2, "--set train.close_mosaic=1, or --set ladder.max_epochs=11"),
        (space_of(close_mosaic=Choice((9, 12), 9)), 6,
         "set space.close_mosaic to values below 6, or --set ladder.max_epochs=10"),
        (space_of(lr0=RATE), 6, "--set train.optimizer=SGD, or search space.optimizer"),
    ],
)  # fmt: skip
def test_a_parameter_without_effect_is_refused_with_the_setting_that_mends_it(
    space: SearchSpace, epochs: int, remedy: str
) -> None:
    (told,) = dead_parameters(space, SETTINGS, epochs=epochs)
    assert told.endswith(f"; {remedy}")
