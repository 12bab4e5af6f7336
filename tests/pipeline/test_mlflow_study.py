"""A tiny study, interrupted and resumed, with a real server of MLflow: the same runs, each epoch once."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from automl.storage.journal import Journal
from automl.study import Trial
from automl.tracking.mlflow.client import Client, Unreachable
from automl.tracking.mlflow.runs import PARENT, tags_of
from automl.trainers import registration
from tests import tiny_trainer
from tests.builders import METRIC
from tests.free_port import free_port

ROOT = Path(__file__).resolve().parents[2]
MLFLOW = os.environ.get("AUTOML_MLFLOW") or shutil.which(
    "mlflow", path=f"{ROOT / 'build/mlflow/bin'}{os.pathsep}{os.environ['PATH']}"
)
pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MLFLOW is None, reason="no server of MLflow is installed: make mlflow, or set AUTOML_MLFLOW"),
]
TRIALS, EPOCHS = 4, 4
DESCRIPTION = {
    "name": "sent", "model": tiny_trainer.MODEL, "budget": {"trials": TRIALS},
    "ladder": {"min_epochs": 2, "max_epochs": EPOCHS},
    "space": {"lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True}},
    "train": {"optimizer": "SGD", "imgsz": 32, "batch": 8, "epoch_seconds": 2.0},
    "confirm": {"seeds": 2}, "export": {"engine": "none", "end_to_end": False}, "resources": {"concurrent": 2},
}  # fmt: skip


def start_server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start a server of MLflow on its state in a folder."""
    command = [
        str(MLFLOW), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (folder / "mlflow.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, start_new_session=True,
            env=environment | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        )  # fmt: skip


def stop_server(process: subprocess.Popen[bytes]) -> None:
    """End the server and its worker, which are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(client: Client) -> None:
    for _ in range(600):
        with suppress(Unreachable):
            client.experiment("automl")
            return
        time.sleep(0.2)
    pytest.fail("the server of MLflow does not answer")


def start_study(home: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ, "HOME": str(home), "AUTOML_STORAGE": str(home), "PYTHONPATH": str(ROOT),
        registration.CHOSEN: tiny_trainer.registered(),
    }  # fmt: skip
    command = [sys.executable, str(ROOT / "automl" / "search.py"), str(home / "study.yaml")]
    return subprocess.Popen(
        command, cwd=home, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def ended(driver: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = driver.communicate()
    return driver.returncode, said


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def home(tmp_path: Path, data: Path, port: int) -> Iterator[Path]:
    tracking = {"mlflow": {"uri": f"http://127.0.0.1:{port}"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(DESCRIPTION | {"data": str(data), "tracking": tracking}))
    yield tmp_path
    if kept := os.environ.get("AUTOML_KEEP_MLFLOW"):  # to look at it in a browser
        shutil.copytree(tmp_path, kept, dirs_exist_ok=True, symlinks=True)


def runs_of(client: Client, study: Path) -> list[dict[str, Any]]:
    study_id = Journal.read(study, metric=METRIC).notes()["study_id"]
    return client.runs(client.experiment("automl"), {"automl.study_id": study_id})


def history(client: Client, run: dict[str, Any], metric: str) -> list[tuple[int, float]]:
    """Return step and value of all that a run holds of a metric."""
    found = client.call("GET", f"metrics/get-history?run_id={run['info']['run_id']}&metric_key={metric}")
    return [(int(point["step"]), float(point["value"])) for point in found.get("metrics", [])]


def interrupted(home: Path, server: subprocess.Popen[bytes]) -> str:
    """Run the study, without a server after its first rung, stop it in order, and return what it said."""
    driver, log = start_study(home), home / "runs" / "sent" / "study.log"

    def pauses() -> int:
        return log.read_text().count(" pauses at ") if log.exists() else 0

    while driver.poll() is None and not pauses():
        time.sleep(0.1)
    stop_server(server)
    before = pauses()
    while driver.poll() is None and pauses() < before + 2:  # epochs are measured while it is away
        time.sleep(0.1)
    driver.send_signal(signal.SIGTERM)
    code, said = ended(driver)
    assert code == 128 + signal.SIGINT, said
    return said


def test_a_study_is_sent_whole_although_server_and_driver_were_away(home: Path, port: int) -> None:
    client, study = Client(f"http://127.0.0.1:{port}"), home / "runs" / "sent"
    server = start_server(home, port)
    try:
        wait_for(client)
        said = interrupted(home, server)
        assert "cannot be reached" in said  # twice where its first answer is late as well
        assert "are not sent completely; `automl resume` sends the rest" in said

        server = start_server(home, port)
        wait_for(client)
        code, said = ended(start_study(home))
        assert (code, "cannot be reached" in said) == (0, False), said
        check(client, study)

        calls = len((home / "mlflow.log").read_text().splitlines())
        code, said = ended(start_study(home))  # finished: nothing to send
        assert code == 0, said
        assert "runs/log-batch" not in "\n".join((home / "mlflow.log").read_text().splitlines()[calls:])
        check(client, study)
    finally:
        stop_server(server)


def check(client: Client, study: Path) -> None:
    journal = Journal.read(study, metric=METRIC)
    runs = {tags_of(run).get("automl.training", ""): run for run in runs_of(client, study)}
    parent = runs[""]
    assert len(runs) == 1 + TRIALS + 4
    assert parent["info"]["status"] == "FINISHED"
    for trial in journal.trials():
        (name,) = [name for name in runs if name.startswith(f"{trial.number:04d}")]
        of_training(client, runs[name], parent, trial)
        wanted = {m.epoch: m.metrics[METRIC] for m in trial.measurements if METRIC in m.metrics}
        found = history(client, runs[name], METRIC)
        assert len(found) == len(wanted)
        assert dict(found) == pytest.approx(wanted)
    again = [run for run in runs.values() if tags_of(run)["automl.kind"] == "retraining"]
    assert [len(history(client, run, METRIC)) for run in again] == [EPOCHS] * 4
    facts = json.loads((study / "promotion.json").read_text())
    assert tags_of(parent)["automl.accepted"] == str(facts["accepted"]).lower()
    artifacts = study.parents[1] / "artifacts"
    assert {path.name for path in artifacts.rglob("*.*") if path.is_file()} == {"promotion.json", "report.html"}


def of_training(client: Client, run: dict[str, Any], parent: dict[str, Any], trial: Trial) -> None:
    tags, params = tags_of(run), {param["key"]: param["value"] for param in run["data"]["params"]}
    assert run["info"]["status"] == "FINISHED"
    assert tags["automl.state"] == str(trial.state)
    assert tags[PARENT] == parent["info"]["run_id"]
    assert params == {name: str(value) for name, value in trial.params.items()} | {"seed": str(trial.seed)}
    assert [step for step, _ in history(client, run, "seconds_per_epoch")] == [m.epoch for m in trial.measurements]
