"""The trainer class without a training that started it."""

from pathlib import Path

import pytest

from automl.study import Job
from automl.study.errors import TrialError
from automl.trainers import yolo
from tests.conftest import job_at

pytestmark = pytest.mark.yolo


@pytest.fixture
def job(tmp_path: Path, data: Path) -> Job:
    yolo.settings()  # shuts the doors before Ultralytics is imported
    return job_at(tmp_path / "job", data, epochs=2)


def test_a_trainer_that_no_training_started_is_refused(tmp_path: Path, job: Job) -> None:
    from automl.trainers.yolo.trainer_class import StudyTrainer  # noqa: PLC0415

    with pytest.raises(TrialError, match=r"must be the folder of a training that `automl\.trainers\.yolo\.train` star"):
        StudyTrainer(overrides={"save_dir": str(tmp_path), "data": job.data})
