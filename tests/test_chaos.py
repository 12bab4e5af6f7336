"""A study whose workers, nodes and drivers are killed at random, and what the audit of such a study sees.

The trainings are those of the tiny trainer; `benchmarks/chaos.py` alone does the same with real ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from automl.storage.journal import Journal
from automl.trainers import registration
from benchmarks.chaos_audit import Audit, audit, repeats
from tests import tiny_trainer
from tests.builders import METRIC, spec_of
from tests.simulated_study import Clock, open_search, saturating, simulate

ROOT = Path(__file__).parents[1]
DESCRIPTION = {
    "name": "tiny",
    "model": tiny_trainer.MODEL,
    "ladder": {"min_epochs": 3, "max_epochs": 12},
    "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True}},
    "train": {"optimizer": "SGD", "imgsz": 32, "batch": 8, "epoch_seconds": 1.0},
    "confirm": {"seeds": 2},
    "export": {"engine": "none", "end_to_end": False},
}
"""A training of twelve seconds, so that a kill finds one."""
SPEC = spec_of(budget={"trials": 3}, ladder={"min_epochs": 3, "max_epochs": 9, "scheduler": "stopping"})


def log_of(*begun: tuple[int, int]) -> str:
    return "".join(f"attempt {attempt}: epoch {epoch} of 9 begins\n" for attempt, epoch in begun)


@pytest.mark.parametrize(
    ("log", "again"),
    [
        ("", []),
        (log_of((1, 1), (1, 2)), []),
        (log_of((1, 1), (1, 2), (2, 3)), [0]),
        (log_of((1, 1), (1, 2), (2, 2), (2, 3), (4, 2)), [1, 2]),
        ("noise attempt 1: epoch 1 of 9 begins\n" + log_of((1, 1), (3, 1)), [1]),
    ],
)
def test_epochs_begun_again_are_counted_by_attempt(log: str, again: list[int]) -> None:
    assert repeats(log) == again


@pytest.fixture
def study(tmp_path: Path) -> Path:
    from automl.study.load import dump  # noqa: PLC0415

    folder = tmp_path / "runs" / SPEC.name
    clock = Clock()
    source = open_search(folder, SPEC, clock=clock)
    simulate(source, saturating, clock=clock)
    (folder / "study.yaml").write_text(dump(SPEC))
    return folder


def test_an_untroubled_study_lost_nothing(study: Path) -> None:
    assert audit(study) == Audit(trials=3, trials_lost=0, epochs_repeated=(), measurements_lost=0)


def test_what_a_trial_trained_and_the_journal_does_not_know_is_lost(study: Path) -> None:
    trial = Journal.read(study, metric=METRIC).trials()[0]
    place = next((study / "trials").glob("0000_*"))
    epochs = range(1, trial.epoch + 3)
    (place / "curves.csv").write_text("epoch,seconds\n" + "".join(f"{epoch},1.0\n" for epoch in epochs))
    (place / "log.txt").write_text(log_of((1, 1), (1, 2), (1, 3), (2, 1)))

    assert audit(study) == Audit(trials=3, trials_lost=0, epochs_repeated=(3,), measurements_lost=2)


@pytest.mark.ray
@pytest.mark.timeout(2400)
def test_ten_kills_cost_a_study_no_trial_and_no_measurement(tmp_path: Path, data: Path) -> None:
    spec = tmp_path / "described.yaml"
    spec.write_text(yaml.safe_dump(DESCRIPTION | {"data": str(data)}))
    asked = {"kills": 10, "trials": 3, "pause": 3, "haste": 1, "folder": tmp_path, "spec": spec}
    options = [part for name, value in asked.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, str(ROOT / "benchmarks" / "chaos.py"), *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), registration.CHOSEN: tiny_trainer.registered()}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] == 10
    assert found["kinds"].get("worker"), found["kinds"]  # else a new name of the actor hides them from the kills
    assert (found["trials_lost"], found["measurements_lost"], found["not_mended"]) == (0, 0, 0)
    assert found["epochs_repeated_max"] <= 1
