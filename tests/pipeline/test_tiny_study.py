"""Whole studies with the tiny trainer on an embedded Ray: search, pause, kill, resume, confirm, publish."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
import yaml
from typer.testing import CliRunner

from automl.apps.cli import app
from automl.storage import curves_file, job_file
from automl.storage.journal import Journal
from automl.storage.layout import BEST, ONNX, PARAMS, SPEC, VERDICT
from automl.storage.registry import Registry
from automl.study import State, Trial
from automl.trainers import registration
from tests import tiny_files, tiny_trainer
from tests.builders import METRIC, written
from tests.guarded_worker import guardians, wait_until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
TRIALS, EPOCHS = 6, 6
LOST = "lost its worker"
DESCRIPTION = {
    "name": "tiny",
    "model": tiny_trainer.MODEL,
    "budget": {"trials": TRIALS},
    "ladder": {"min_epochs": 2, "max_epochs": EPOCHS},
    "space": {
        "lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True},
        "momentum": {"low": 0.6, "high": 0.99, "default": 0.9},
    },
    "train": {"optimizer": "SGD", "imgsz": 32, "batch": 8, "epoch_seconds": 0.3},
    "confirm": {"seeds": 2},
    "export": {"engine": "none", "end_to_end": False},
}


@dataclass(frozen=True)
class Session:
    """How a session of a study ended, and what it printed."""

    code: int
    said: str


class Study:
    """A study in a storage of its own, started by its command line."""

    def __init__(self, home: Path, data: Path) -> None:
        self.home, self.folder, self.dies = home, home / "runs" / "tiny", home / "dies"
        self.drivers: list[subprocess.Popen[str]] = []
        self.description = home / "study.yaml"
        self.description.write_text(yaml.safe_dump(DESCRIPTION | {"data": str(data)}))

    def start(self) -> subprocess.Popen[str]:
        environment = {
            **os.environ, "HOME": str(self.home), "AUTOML_STORAGE": str(self.home), "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(ROOT), registration.CHOSEN: tiny_trainer.registered(), tiny_files.DIES: str(self.dies),
        }  # fmt: skip
        command = [sys.executable, str(ROOT / "automl" / "search.py"), str(self.description)]
        driver = subprocess.Popen(
            command, cwd=self.home, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.drivers.append(driver)
        return driver

    def wait_for(self, ready: Callable[[], bool], driver: subprocess.Popen[str]) -> None:
        """Wait until something holds; a driver that ends before is a failure."""
        while not ready():
            if driver.poll() is not None:
                pytest.fail(f"the driver ended with {driver.returncode}: {driver.communicate()[0]}")
            time.sleep(0.05)

    def wait_for_trainings(self) -> None:
        """Wait until no training of an earlier session is left, which would do what the next one is told to."""
        assert wait_until(lambda: not any(map(guardians, self.folder.glob("trials/*"))))

    def log(self) -> str:
        path = self.folder / "study.log"
        return path.read_text() if path.exists() else ""

    def trials(self) -> list[Trial]:
        return Journal.read(self.folder, metric=METRIC).trials()

    def epochs(self) -> int:
        """Return how many epochs of all trials the journal holds."""
        text = (self.folder / "journal.log").read_text() if (self.folder / "journal.log").exists() else ""
        return text.count('"epoch:')


def ended(driver: subprocess.Popen[str]) -> Session:
    """Wait for the end of a session."""
    said, _ = driver.communicate()
    return Session(driver.returncode, said)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Iterator[Study]:
    made = Study(tmp_path_factory.mktemp("home"), data)
    yield made
    for driver in (driver for driver in made.drivers if driver.poll() is None):
        driver.kill()
        driver.communicate()


@pytest.fixture(scope="module")
def sessions(study: Study) -> list[Session]:
    """A driver killed in the search, one asked to stop, one whose worker was killed; the last one finished."""
    first = study.start()
    study.wait_for(lambda: study.epochs() >= 2, first)
    first.kill()
    sessions, before = [ended(first)], study.epochs()
    second = study.start()
    study.wait_for(lambda: study.epochs() > before, second)
    second.send_signal(signal.SIGTERM)
    sessions.append(ended(second))
    study.wait_for_trainings()
    study.dies.touch()
    sessions.append(ended(study.start()))
    assert not study.dies.exists(), sessions[-1].said
    return sessions


def test_a_study_survives_its_driver_and_its_workers(study: Study, sessions: list[Session]) -> None:
    assert [session.code for session in sessions] == [-signal.SIGKILL, 128 + signal.SIGINT, 0], sessions[-1].said
    assert "study stops: SIGTERM" in study.log()
    assert study.log().count(LOST) == 1
    trials = study.trials()
    assert [trial.number for trial in trials] == list(range(TRIALS))
    assert {trial.state for trial in trials} == {State.COMPLETED, State.PRUNED}
    for trial in trials:
        assert [m.epoch for m in trial.measurements] == list(range(1, trial.epoch + 1))


@pytest.mark.usefixtures("sessions")
def test_trials_pause_at_their_rung_and_resume_from_their_checkpoint(study: Study) -> None:
    logs = {trial.number: path.read_text() for trial in study.trials()
            for path in (study.folder / "trials").glob(f"{trial.number:04d}_*/log.txt")}  # fmt: skip
    paused = [trial for trial in study.trials() if trial.epoch == 2]
    # One that is the best of three when it comes to the rung goes on at once.
    whole = [trial for trial in study.trials() if trial.state is State.COMPLETED]
    resumed = [trial for trial in whole if f"trial {trial.number} pauses at " in study.log()]

    assert len(logs) == TRIALS
    assert paused
    assert {trial.state for trial in paused} == {State.PRUNED}
    assert resumed
    for trial in resumed:
        assert "checkpoint: resumes after epoch" in logs[trial.number]


@pytest.mark.usefixtures("sessions")
def test_the_interrupted_curves_are_those_of_the_trainer_alone(study: Study, tmp_path: Path) -> None:
    best = max((trial for trial in study.trials() if trial.state is State.COMPLETED), key=lambda t: t.number)
    (folder,) = (study.folder / "trials").glob(f"{best.number:04d}_*")
    job, found = job_file.read(folder), []

    tiny_trainer.train(job, tmp_path, state=None, on_epoch=lambda measurement, *_files: found.append(measurement))

    assert job.trainer == tiny_trainer.NAME
    for ours, theirs in zip(found, best.measurements, strict=True):
        assert ours.metrics == pytest.approx(theirs.metrics)


@pytest.mark.usefixtures("sessions")
def test_the_winner_is_confirmed_on_fresh_seeds(study: Study) -> None:
    facts = json.loads((study.folder / VERDICT).read_text())

    assert len(facts["challenger"]) == len(facts["default"]) == 2
    folders = sorted((study.folder / "confirm").iterdir())
    assert len(folders) == 4
    for folder in folders:
        assert [m.epoch for m in curves_file.read_curves(folder)] == list(range(1, EPOCHS + 1))
        assert job_file.read(folder).trainer == tiny_trainer.NAME


def test_what_ships_is_published_and_serves(study: Study, sessions: list[Session]) -> None:
    registry = Registry(study.home / "models", "tiny")
    version = registry.path("champion")
    facts = json.loads((version / VERDICT).read_text())

    assert {BEST, ONNX, PARAMS, SPEC} <= {path.name for path in version.iterdir()}
    assert registry.verify(1) == []
    assert facts["onnx_score"] == pytest.approx(facts["torch_score"])
    assert tiny_trainer.load(version / ONNX)["quality"] == tiny_trainer.load(version / BEST)["quality"]
    assert "champion tiny: version 1" in sessions[-1].said


@pytest.mark.usefixtures("sessions")
def test_a_finished_study_does_nothing(study: Study) -> None:
    before = (study.folder / "journal.log").read_bytes()

    home = {"HOME": str(study.home), "AUTOML_STORAGE": str(study.home), registration.CHOSEN: tiny_trainer.NAME}
    again = CliRunner().invoke(app, ["search", str(study.description)], env=home)

    assert again.exit_code == 0, again.output
    assert "study is finished: nothing to do" in again.output
    assert (study.folder / "journal.log").read_bytes() == before


@pytest.fixture(scope="module")
def better(study: Study, sessions: list[Session], tmp_path_factory: pytest.TempPathFactory) -> int:
    """The version of another study, which became champion after this one's."""
    del sessions
    registry, folder = Registry(study.home / "models", "tiny"), tmp_path_factory.mktemp("better")
    files = {name: registry.path(1) / name for name in (PARAMS, SPEC, VERDICT)}
    model = onnx.load(registry.path(1) / ONNX)
    model.metadata_props[0].value = "1.0"
    onnx.save(model, folder / ONNX)
    other = written(folder, BEST, "the weights of another study")
    number = registry.publish(files | {ONNX: folder / ONNX, BEST: other}, {})
    registry.promote(number, why="another study: +0.5 better")
    return number


def test_a_verdict_older_than_the_champion_does_not_displace_it(study: Study, better: int) -> None:
    registry = Registry(study.home / "models", "tiny")
    # Killed between its verdict and the last line of its journal, and the verdict knows no champion.
    journal = Journal.create(study.folder, name="tiny", metric=METRIC)
    journal.note("promotion", None)
    assert journal.notes()["verdict"]["champion"] == 0

    again = ended(study.start())

    assert again.code == 0, again.said
    assert "version none served when the model was judged, version 2 serves now: the models are compared" in again.said
    assert "gate refused: challenger over champion" in again.said
    assert "nothing was promoted" in again.said
    assert registry.aliases() == {"challenger": 1, "champion": better, "previous": 1}
    assert json.loads((study.folder / VERDICT).read_text())["champion"] == 2


def test_a_champion_can_be_made_and_taken_back_by_hand(study: Study, better: int) -> None:
    registry, model = Registry(study.home / "models", "tiny"), str(study.home / "models" / "tiny")

    made = CliRunner().invoke(app, ["promote", model, "--version", "1", "--why", "the line waits"])
    back = CliRunner().invoke(app, ["rollback", model, "--why", "it did not"])

    assert (made.exit_code, back.exit_code) == (0, 0), made.output + back.output
    assert made.stdout.strip() == "champion of tiny: version 1"
    assert registry.aliases()["champion"] == better
