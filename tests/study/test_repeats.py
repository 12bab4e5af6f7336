"""A space of fewer params than trials is told before anything starts."""

import pytest

from automl.study import repeats
from automl.study.space import Choice, Integer, Real, SearchSpace
from tests.builders import RATES, space_of, spec_of

THREE = {"optimizer": {"choices": ["SGD", "Adam", "AdamW"], "default": "SGD"}}


def test_a_small_space_is_told_with_its_remedy() -> None:
    (told,) = repeats.warnings(spec_of(space=THREE).search_space, 40)
    assert told.startswith("space: has 3 different params for 40 trials, so that 37 repeat one on another seed; ")
    assert "--set budget.trials=3" in told


@pytest.mark.parametrize(("trials", "space"), [(3, THREE), (1_000_000, RATES), (4, RATES)])
def test_a_space_that_is_large_enough_is_not_told(trials: int, space: dict[str, object]) -> None:
    assert [*repeats.warnings(spec_of(space=space).search_space, trials)] == []


@pytest.mark.parametrize(
    ("space", "distinct"),
    [
        (space_of(batch=Integer(1, 3, 2), nbs=Choice((16, 32), 16)), 6),
        (space_of(optimizer=Choice(("SGD", "Adam"), "SGD"), batch=Integer(1, 9, 2, when={"optimizer": ("SGD",)})), 10),
        (space_of(optimizer=Choice(("SGD", "Adam"), "SGD"), lr0=Real(0, 1, 0, when={"optimizer": ("SGD",)})), 1000),
        (space_of(**{f"p{n}": Integer(0, 9, 0) for n in range(100)}), 1000),
    ],
)
def test_params_are_counted_by_the_conditions_under_which_they_exist(space: SearchSpace, distinct: int) -> None:
    assert space.distinct(1000) == distinct
