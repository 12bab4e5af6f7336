"""The classes of trainer and validator without a training."""

from pathlib import Path
from types import SimpleNamespace

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


def test_losses_of_a_validation_are_means_over_the_batches_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 has two of three batches, each with a loss of 2: Ultralytics halves their sum by ranks and by batches."""
    yolo.settings()
    from ultralytics.models.yolo.detect import DetectionValidator  # noqa: PLC0415  (after the doors are shut)

    from automl.trainers.yolo import validator_class  # noqa: PLC0415

    found = {"val/box_loss": 1.5, "metrics/mAP50(B)": 0.5}
    monkeypatch.setattr(DetectionValidator, "__call__", lambda *_given, **_more: found)
    validator = validator_class.StudyValidator.__new__(validator_class.StudyValidator)
    validator.dataloader, validator.seen_here = [0, 1], validator_class.Seen(batches=3)
    assert validator(SimpleNamespace(world_size=2)) == {"val/box_loss": 2.0, "metrics/mAP50(B)": 0.5}
    assert validator(SimpleNamespace(world_size=1)) == found
