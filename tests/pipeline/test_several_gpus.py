"""A whole study whose trial trains on two GPUs: stand-in GPUs of Ray, ranks of gloo on the CPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from automl.pipeline import machine
from automl.storage.journal import Journal
from automl.storage.layout import TRIAL_LOG
from automl.study import State
from automl.trainers import registration
from tests import gloo_trainer, tiny_trainer
from tests.builders import METRIC, spec_of
from tests.conftest import MICRO

ROOT = Path(__file__).parents[2]
DESCRIPTION = {
    "name": "several",
    "model": str(MICRO),
    "budget": {"trials": 1},
    "ladder": {"min_epochs": 1, "max_epochs": 2},
    "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.02, "log": True}},
    "train": {"optimizer": "SGD", "imgsz": 64, "batch": 8, "nbs": 8, "close_mosaic": 0, "warmup_epochs": 0.0},
    "confirm": {"seeds": 0},
    "export": {"engine": "none", "end_to_end": False},
    "resources": {"gpus": 2},
}


@pytest.mark.ray
@pytest.mark.yolo
@pytest.mark.timeout(900)
def test_a_study_on_two_gpus_a_trial_pauses_resumes_and_ends(tmp_path: Path, data: Path) -> None:
    description = tmp_path / "study.yaml"
    description.write_text(yaml.safe_dump(DESCRIPTION | {"data": str(data)}))
    environment = {
        **os.environ, "HOME": str(tmp_path), "AUTOML_STORAGE": str(tmp_path), "PYTHONPATH": str(ROOT),
        registration.REGISTERED: f"{gloo_trainer.NAME}={gloo_trainer.__name__}",
        registration.CHOSEN: gloo_trainer.NAME, "RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": 2, "GPU": 2}),
    }  # fmt: skip
    command = [sys.executable, str(ROOT / "automl" / "search.py"), str(description)]
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False).stdout

    folder = tmp_path / "runs" / "several"
    trials = Journal.read(folder, metric=METRIC).trials()
    assert "1 place, 2 GPUs and 2 CPU cores each" in said
    assert State.COMPLETED in {trial.state for trial in trials}, said
    logs = [path.read_text() for path in folder.glob(f"trials/*/{TRIAL_LOG}")]
    assert any("resumes after epoch 1" in log for log in logs), logs
    assert [[each.epoch for each in trial.measurements] for trial in trials] == [[1, 2]]


def test_a_preview_says_what_a_trial_on_several_gpus_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registration.CHOSEN, tiny_trainer.registered())
    several = spec_of(resources={"gpus": 2}, train={"batch": 6})
    assert [*machine.several(several)] == [
        "resources.gpus: a trial uses 2 GPUs of one node, a process each, with 3 of 6 images of a batch"
    ]
    (told,) = machine.warnings(several.resources)
    assert "2 per trial, but this machine has no CUDA GPU" in told
    assert not [*machine.several(spec_of())]
