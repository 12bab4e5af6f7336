"""The trainer class in a process of its own, started as Ultralytics starts those of a training on several GPUs."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import ray.cloudpickle
import torch

from automl.storage.epoch_details import EpochDetails
from automl.study import Job, Measurement
from automl.study.errors import TrialError
from automl.trainers import yolo
from automl.trainers.yolo import state_file
from automl.trainers.yolo.hooks import Hooks
from tests.conftest import job_at

pytestmark = pytest.mark.yolo


@pytest.fixture
def job(tmp_path: Path, data: Path) -> Job:
    yolo.settings()  # shuts the doors before Ultralytics is imported
    job = job_at(tmp_path / "job", data, epochs=2)
    return replace(job, settings={**job.settings, "imgsz": 64})


def test_another_process_resumes_by_class_and_arguments_alone(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ultralytics.utils.dist import ddp_cleanup, generate_ddp_file  # noqa: PLC0415  (after the doors are shut)

    from automl.trainers.yolo.trainer_class import StudyTrainer, ordered  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, "cloudpickle", ray.cloudpickle)
    monkeypatch.setattr("ultralytics.utils.checks.check_requirements", lambda *_given: True)
    states = states_of(job, tmp_path / "here")
    hooks = Hooks.of(job, tmp_path / "there", state=states[0], on_epoch=lambda *_given: None)

    with ordered(hooks, state=states[0]):
        trainer = StudyTrainer(overrides=dict(hooks.wanted))
        file = generate_ddp_file(trainer)
        done = subprocess.run([sys.executable, file], capture_output=True, text=True, check=False)
        ddp_cleanup(trainer, file)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "epoch 1 of 2 begins" not in done.stdout
    assert "attempt 1: epoch 2 of 2 begins" in done.stdout
    one, other = (state_file.load(path)["model"] for path in (states[1], tmp_path / "there" / "state.pt"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def states_of(job: Job, scratch: Path) -> list[Path]:
    """Train a job here; return the state after each epoch."""
    (scratch / "weights").mkdir(parents=True)
    kept: list[Path] = []

    def on_epoch(measurement: Measurement, _weights: Path, state: Path, _shown: EpochDetails) -> None:
        kept.append(scratch / f"{measurement.epoch}.state")
        kept[-1].write_bytes(state.read_bytes())

    yolo.train(job, scratch, state=None, on_epoch=on_epoch)
    return kept


def test_a_trainer_without_an_order_is_refused(tmp_path: Path, job: Job) -> None:
    from automl.trainers.yolo.trainer_class import StudyTrainer  # noqa: PLC0415

    with pytest.raises(TrialError, match=r"must be the folder of a training that `automl\.trainers\.yolo\.train` star"):
        StudyTrainer(overrides={"save_dir": str(tmp_path), "data": job.data})
