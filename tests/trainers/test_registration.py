"""Which trainer a job gets: registered names only, kept in the environment for the processes of a study."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from automl.cluster import connection
from automl.study import Job
from automl.study.errors import StudyError
from automl.trainers import chosen, register, registration, trainer_of, yolo
from tests import tiny_trainer
from tests.conftest import job_at, tiny_job_at


def test_a_trainer_that_is_not_registered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registration.REGISTERED, "")  # other tests of this process may have registered more
    tiny_trainer.registered()
    with pytest.raises(StudyError, match=r"trainer: must be one of \['tiny', 'yolo'\], but got 'os'"):
        trainer_of(replace(job_at(tmp_path, tmp_path), trainer="os"))


def test_the_trainer_of_a_study_is_yolo_unless_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (chosen(), trainer_of()) == ("yolo", yolo)

    monkeypatch.setenv(registration.CHOSEN, tiny_trainer.NAME)

    assert (chosen(), trainer_of()) == (tiny_trainer.NAME, tiny_trainer)


def test_a_built_in_trainer_is_not_replaced_and_a_registered_one_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registration.REGISTERED, "")
    register("yolo", "tests.tiny_trainer")
    register("tiny", "tests.no_module")
    register("tiny", "tests.tiny_trainer")

    assert trainer_of() is yolo
    assert registration._modules() == {"yolo": "automl.trainers.yolo", "tiny": "tests.tiny_trainer"}


def test_the_file_of_a_job_names_its_trainer_unless_it_is_the_usual_one(tmp_path: Path) -> None:
    usual, other = job_at(tmp_path, tmp_path), tiny_job_at(tmp_path, tmp_path)

    assert "trainer" not in usual.to_dict()
    assert other.to_dict()["trainer"] == tiny_trainer.NAME
    assert (Job.from_dict(usual.to_dict()), Job.from_dict(other.to_dict())) == (usual, other)


def test_workers_on_other_machines_get_the_choice() -> None:
    assert {registration.REGISTERED, registration.CHOSEN} <= {*connection.FORWARDED}


@pytest.mark.slow
def test_the_tiny_trainer_needs_no_torch() -> None:
    code = "import sys; from tests import tiny_trainer; print(sorted({'torch', 'ultralytics', 'ray'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
