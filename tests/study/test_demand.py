"""What a trial needs while it runs, by its params."""

import pytest
from pydantic import ValidationError

from automl.study.demand import Demand, demand_of, exceptional
from automl.study.resource_laws import resource_mistakes, several_mistakes
from automl.study.spec_parts import ResourcesSpec
from tests.builders import spec_of

SMALL = Demand(1, 0)
MODELS = {"model": {"choices": ["tiny.yaml", "small.yaml"], "default": "tiny.yaml"}}
LARGE = {"when": {"model": ["small.yaml"]}, "gpus": 1.0, "memory_gb": 4.0}


def resources_of(*exceptions: object) -> ResourcesSpec:
    return ResourcesSpec.model_validate({"exceptions": list(exceptions)})


def test_the_first_exception_that_applies_counts_and_the_rest_is_as_usual() -> None:
    resources = resources_of(LARGE, {"when": {"model": ["small.yaml"]}, "cpus": 9.0})
    assert demand_of(resources, {"model": "tiny.yaml"}, usual=SMALL) == SMALL
    assert demand_of(resources, {"lr0": 0.1}, usual=SMALL) == SMALL
    assert demand_of(resources, {"model": "models/ab12/small.yaml"}, usual=SMALL) == Demand(1, 1, 4)
    assert exceptional(resources, usual=SMALL) == (Demand(1, 1, 4), Demand(9, 0))


@pytest.mark.parametrize(
    ("exception", "law"),
    [({"when": {"lr0": [0.1]}}, "must name a parameter of space with choices, one of ['model']"),
     ({"when": {"model": ["big.yaml"]}}, "must be among the choices"),
     (LARGE | {"gpus": 2.5}, "or a whole number, but got 2.5; --set resources.gpus=3")],
)  # fmt: skip
def test_an_exception_for_what_does_not_exist_is_a_mistake(exception: dict[str, object], law: str) -> None:
    (mistake,) = resource_mistakes(resources_of(exception), spec_of(space=MODELS).space)
    assert mistake.startswith("resources.exceptions.0.")
    assert law in mistake


def test_an_exception_without_a_condition_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        resources_of({"when": {}})


SEVERAL = ResourcesSpec.model_validate({"gpus": 2.0})


LAW = "must be divisible by 2, the GPUs of a trial (resources.gpus), since each gets an equal part"


@pytest.mark.parametrize(
    ("space", "fixed", "mistake"),
    [
        ({}, {"batch": 15}, f"train.batch: {LAW}, but got 15; --set train.batch=14"),
        ({"choices": [8, 9], "default": 8}, {"batch": 15}, f"space.batch: {LAW}, but got [9]; such as 8"),
        ({"low": 8, "high": 16, "default": 8}, {}, f"space.batch: {LAW}; make it choices, such as {{choices: [8, 16]"),
        ({}, {"batch": 16, "rect": True}, "train.rect: must be false where a trial has several GPUs (resources.gpus)"),
    ],
)
def test_what_a_trial_on_several_gpus_cannot_have_is_a_mistake(
    space: dict[str, object], fixed: dict[str, object], mistake: str
) -> None:
    parameters = spec_of(space=MODELS | ({"batch": space} if space else {})).space
    (found,) = several_mistakes(SEVERAL, parameters, fixed)
    assert found.startswith(mistake)
    one = ResourcesSpec.model_validate({"gpus": 1.0})
    assert not [*several_mistakes(one, parameters, fixed)]
