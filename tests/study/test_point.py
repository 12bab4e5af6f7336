"""Params that a user gives for one trial."""

import pytest

from automl.study.errors import SpecError
from automl.study.point import completed
from tests.builders import spec_of

SPACE = {
    "optimizer": {"choices": ["auto", "SGD", "AdamW"], "default": "auto"},
    "freeze": {"choices": [0, 4], "default": 0},
    "lr0": [
        {"low": 0.001, "high": 0.1, "default": 0.01, "when": {"optimizer": ["SGD"]}},
        {"low": 0.0001, "high": 0.01, "default": 0.001, "when": {"optimizer": ["AdamW"]}},
    ],
}


def test_a_parameter_that_does_not_exist_is_told_with_what_it_needs() -> None:
    with pytest.raises(SpecError, match="lr0: does not exist") as told:
        completed(spec_of(space=SPACE).search_space, {"lr0": 0.01})
    assert told.value.mistakes == (
        "lr0: does not exist under optimizer=auto; leave it out, or give optimizer=SGD or optimizer=AdamW too",
    )


def test_with_it_the_params_are_complete() -> None:
    found = completed(spec_of(space=SPACE).search_space, {"optimizer": "SGD", "lr0": 0.05})
    assert found == {"optimizer": "SGD", "freeze": 0, "lr0": 0.05}
