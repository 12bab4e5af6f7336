"""Changes of a study from the page: a budget, the end of the search, the end of a trial."""

from pathlib import Path

import pytest

from automl.apps.web import steering
from automl.storage.place import Place
from automl.study.errors import StudyError
from automl.study.load import dump
from automl.trials import commands
from tests.builders import spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate

SPEC = spec_of(name="parts", budget={"trials": 12, "hours": 2}, ladder={"min_epochs": 3, "max_epochs": 9})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of four trials whose driver is gone."""
    folder, clock = tmp_path / "runs/parts", Clock()
    search = open_search(folder, SPEC, workers=2, clock=clock)
    (folder / "study.yaml").write_text(dump(SPEC))
    simulate(search, saturating, clock=clock, until=lambda: len(search.trials) == 4)
    return folder


def sent(folder: Path) -> list[dict[str, object]]:
    return [dict(command.content) for command in commands.waiting(folder)]


def test_a_budget_is_changed_when_the_study_is_resumed(folder: Path, tmp_path: Path) -> None:
    said = steering.extend(Place(tmp_path), folder, {steering.TRIALS: 20, steering.HOURS: None})
    assert "done when the study is resumed" in said
    assert sent(folder) == [{"keys": {"budget.trials": [12, 20]}}]


def test_the_end_of_the_search_is_a_budget_of_the_trials_begun(folder: Path, tmp_path: Path) -> None:
    steering.end_search(Place(tmp_path), folder)
    assert sent(folder) == [{"keys": {"budget.trials": [12, 4]}}]


@pytest.mark.parametrize(
    ("values", "law"),
    [
        ({}, "must have a number of trials or of hours"),
        ({"budget.trials": 12}, "must be another one"),
        ({"budget.trials": -1}, "must be one that a description allows"),
        ({"budget.hours": 0}, "must be one that a description allows"),
    ],
)
def test_what_is_no_larger_budget_is_refused(
    folder: Path, tmp_path: Path, values: dict[str, float | None], law: str
) -> None:
    with pytest.raises(StudyError, match=law):
        steering.extend(Place(tmp_path), folder, values)
    assert sent(folder) == []


def test_a_trial_is_ended_but_not_the_baseline(folder: Path) -> None:
    assert "resumed" in steering.cancel(folder, 3)
    assert sent(folder) == [{"trial": 3}]
    with pytest.raises(StudyError, match=r"0|baseline"):
        steering.cancel(folder, 0)
