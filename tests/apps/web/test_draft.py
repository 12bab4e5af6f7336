"""Changes of a description from three answers; what was typed comes last."""

from itertools import product
from pathlib import Path

import pytest

from automl.apps.web.draft import DEVICES, LONG, MATTERS, Answers, drafted, train_settings, values
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


def test_settings_of_the_trainer_are_typed_line_by_line() -> None:
    answers = Answers("parts", "sample", "quick", "any", "both", {}, "imgsz=320\n\nlrf = 1e-2\noptimizer=SGD\n")
    assert {"train.imgsz": "320", "train.lrf": "1e-2", "train.optimizer": "SGD"}.items() <= answers.changes().items()


@pytest.mark.parametrize(
    "line", ["imgsz", "pretrained=/secret/weights.pt", "pretrained=weights.pt", "../x=1", "a=b=c", "cfg={a: b}", "a=~"]
)
def test_a_setting_names_no_file_of_the_server(line: str) -> None:
    with pytest.raises(SpecError, match="train: must be one KEY=VALUE a line"):
        train_settings(f"imgsz=320\n{line}")
