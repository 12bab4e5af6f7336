"""`automl project`: objects of the validation set by the weights of a trial, bounded, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import automl
from automl.apps.cli import app
from automl.pipeline import projection
from automl.storage import job_file
from automl.storage.layout import BEST, PROJECTOR_CONFIG, trial_folder
from automl.study.errors import StudyError
from automl.tracking import projector
from tests import tiny_files
from tests.conftest import tiny_job_at
from tests.past_studies import past

TRIAL = 7


@pytest.fixture
def study(tmp_path: Path, data: Path) -> automl.Study:
    """A study of ten trials, of which one has weights."""
    study = automl.open_study(past(tmp_path))
    trial = study._read()[TRIAL]
    folder = trial_folder(study.folder, trial, study.spec.model)
    folder.mkdir(parents=True)
    job_file.write(replace(tiny_job_at(folder, data), folder=tmp_path / "moved", gpus=1.0))
    content = {"epoch": -1, "quality": 0.5, "parameters": 1}
    tiny_files.write(folder / BEST, tiny_files.WEIGHTS, content)
    job_file.write(replace(tiny_job_at(folder, data), gpus=1.0))
    return study


def test_a_projection_is_bounded_and_lies_in_the_trials_folder(study: automl.Study) -> None:
    done = CliRunner().invoke(app, ["project", str(study.folder), str(TRIAL), "--points", "5"])
    assert done.exit_code == 0, done.output
    (config,) = study.folder.rglob(PROJECTOR_CONFIG)
    assert config.parent.name == Path(str(study.trials[TRIAL]["folder"])).name
    assert len((config.parent / "projector" / projector.METADATA).read_text().splitlines()) == 6
    words = " ".join(done.output.split())
    assert words.startswith("5 of ")
    assert "labelled objects of val, 5 features each, by the best weights of trial 7" in words
    assert f"automl tensorboard {study.folder}" in words


def test_the_objects_are_evenly_spaced_over_all(study: automl.Study) -> None:
    found = study.project(TRIAL, points=4)
    names = (found.folder / "projector" / projector.METADATA).read_text().splitlines()[1:]
    assert len({name.partition("\t")[2] for name in names}) == 4, "not all of one image"
    assert found.total > found.points == 4


@pytest.mark.parametrize(
    ("trial", "points", "law"),
    [
        (99, 10, r"trial must be 0 to 9, but got 99"),
        (TRIAL, 1, r"--points: must be 2 to 10000, but got 1"),
        (1, 10, r"must be the weights of trial 1, but it has none: .* trials with weights: 7"),
    ],
)
def test_what_cannot_be_projected_is_refused(study: automl.Study, trial: int, points: int, law: str) -> None:
    with pytest.raises(StudyError, match=law):
        study.project(trial, points=points)
    assert not list(study.folder.rglob(PROJECTOR_CONFIG))


def test_the_default_number_is_within_the_limit() -> None:
    assert 2 <= projection.POINTS <= projection.MOST_POINTS
