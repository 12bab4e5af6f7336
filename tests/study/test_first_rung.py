"""The first rung of a description that names none follows from the start weights."""

import pytest

from automl.study.spec import StudySpec
from tests.builders import SPEC


@pytest.mark.parametrize(
    ("model", "ladder", "rungs"),
    [
        ("yolo11n.pt", {"max_epochs": 100}, (3, 9, 27)),
        ("micro.yaml", {"max_epochs": 100}, (6, 18)),
        ("micro.yaml", {"max_epochs": 4}, ()),
        ("yolo11n.pt", {"max_epochs": 100, "min_epochs": 10}, (10, 30)),
    ],
)
def test_the_first_rung_is_that_of_the_description_else_of_the_weights(
    model: str, ladder: dict[str, int], rungs: tuple[int, ...]
) -> None:
    assert StudySpec.model_validate({**SPEC, "model": model, "ladder": ladder}).ladder.rungs == rungs
