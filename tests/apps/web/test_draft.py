"""Changes of a description from three answers; what was typed comes last."""

from itertools import product
from pathlib import Path

import pytest

from automl.apps.web.draft import DEVICES, LONG, MATTERS, Answers, drafted, values
from automl.storage.place import Place
from automl.study.errors import SpecError
from tests.builders import spec_of


@pytest.mark.parametrize(("long", "device", "matters"), list(product(LONG, DEVICES, MATTERS)))
def test_all_answers_form_a_description(long: str, device: str, matters: str) -> None:
    found = values(Answers("parts", "sample", long, device, matters, {}).changes())
    nested = {key: value for key, value in found.items() if "." not in key}
    nested["budget"] = {"trials": found["budget.trials"], "hours": found["budget.hours"]}
    nested["export"] = {"engine": found["export.engine"]}
    assert spec_of(**nested).budget.trials == LONG[long][0]


def test_what_was_typed_overrides_the_answers() -> None:
    answers = Answers("parts", "sample", "quick", "any", "both", {"budget.trials": " 3 ", "seed": " "})
    assert answers.changes()["budget.trials"] == "3"
    assert "seed" not in answers.changes()


def test_a_study_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="name: must be the name of the study"):
        drafted(Answers("", "sample", "quick", "any", "both", {}), Place(tmp_path))
