"""The exporter: a run for each training, nothing twice, nothing lost while the server is away."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.study import Ending, Kind, Loss, State, Trial
from automl.study.results import DEFAULT
from automl.tracking.mlflow.client import Client
from automl.tracking.mlflow.exporter import Exporter, Overview, Target
from automl.tracking.mlflow.runs import Training, metric_batches, param_batches, tags_of
from tests.builders import METRIC, completed, failed, measurement, trial_of
from tests.mlflow_server import MlflowServer, served

RUNNING = Overview("RUNNING", {"automl.state": "RUNNING"}, {"model": "tiny.yaml"})
DONE = Overview("FINISHED", {"automl.state": "FINISHED"}, {}, {"shipped/test/map50_95": 0.5})
STOPPED = Overview("SCHEDULED", {"automl.state": "SCHEDULED"})
FOLDER = Path("runs/s/trials/0001_lr0=0.01")


@pytest.fixture
def server() -> Iterator[MlflowServer]:
    with served() as state:
        yield state


def exporter_of(server: MlflowServer) -> Exporter:
    return Exporter(Target("s", "id of s", "automl", Client(server.uri)), RUNNING, pauses=(0.01,))


def started(server: MlflowServer, *trainings: Training) -> Exporter:
    made = exporter_of(server)
    made.start(trainings)
    return made


def params_of(run: dict[str, Any]) -> dict[str, str]:
    return {param["key"]: param["value"] for param in run["data"]["params"]}


def test_a_trial_is_a_run_below_that_of_its_study(server: MlflowServer) -> None:
    exporter, trial = started(server), trial_of(1, [0.1, 0.2])
    exporter.on_start(Trial(1, trial.params, trial.seed), FOLDER)
    exporter.on_measurement(trial)
    exporter.on_end(trial, Ending(final=measurement(3, 0.2)))
    assert exporter.finish(DONE, seconds=300) == 0
    run, study = server.named(FOLDER.name), server.named("s")
    assert params_of(run) == {"lr0": "0.01", "optimizer": "SGD", "seed": "1"}
    assert params_of(study) == {"model": "tiny.yaml"}
    assert server.steps(FOLDER.name, METRIC) == [1, 2]
    assert (run["info"]["status"], study["info"]["status"]) == ("FINISHED", "FINISHED")
    assert run["info"]["end_time"] > 0
    tags = tags_of(run)
    assert tags["mlflow.parentRunId"] == study["info"]["run_id"]
    assert (tags["automl.study"], tags["automl.kind"], tags["automl.trial"]) == ("s", "trial", "1")
    assert tags["automl.state"] == "COMPLETED"
    assert server.steps("s", "shipped/test/map50_95") == [0]


@pytest.mark.parametrize(
    ("trial", "state", "status"),
    [
        (failed(1), State.FAILED, "FAILED"),
        (trial_of(1, [0.1], ending=Ending(pruned="rung")), State.PRUNED, "FINISHED"),
        (trial_of(1, [0.1]), State.PAUSED, "SCHEDULED"),
        (trial_of(1, [0.1]), State.WAITING, "SCHEDULED"),
    ],
)
def test_the_state_of_a_training_is_its_status_and_a_tag(
    server: MlflowServer, trial: Trial, state: State, status: str
) -> None:
    assert started(server, Training("t", "trial", trial, state)).finish(STOPPED, seconds=300) == 0
    assert server.named("t")["info"]["status"] == status
    assert tags_of(server.named("t"))["automl.state"] == state


def test_a_re_training_and_its_losses_are_told_apart(server: MlflowServer) -> None:
    exporter = started(server)
    trial = replace(trial_of(0, [0.1]), losses=(Loss(Kind.NODE, "gone"),))
    exporter.on_start(trial, Path(f"runs/s/confirm/{DEFAULT}_seed1000000"))
    exporter.on_loss(trial)
    exporter.finish(STOPPED, seconds=300)
    tags = tags_of(server.named(f"{DEFAULT}_seed1000000"))
    assert (tags["automl.kind"], tags["automl.worker_losses"], tags["automl.state"]) == ("retraining", "1", "WAITING")
    assert "automl.trial" not in tags


def test_a_resumed_study_continues_its_runs_and_sends_nothing_twice(server: MlflowServer) -> None:
    first = started(server)
    first.on_start(trial_of(1), FOLDER)
    first.on_measurement(trial_of(1, [0.1]))
    first.finish(STOPPED, seconds=300)
    assert server.named(FOLDER.name)["info"]["status"] == "SCHEDULED"
    known = Training(FOLDER.name, "trial", trial_of(1, [0.1, 0.2]), State.WAITING)
    second = started(server, known)
    second.on_start(known.trial, FOLDER)
    second.on_measurement(trial_of(1, [0.1, 0.2, 0.3]))
    assert second.finish(STOPPED, seconds=300) == 0
    third = started(server, replace(known, trial=trial_of(1, [0.1, 0.2, 0.3])))
    third.finish(STOPPED, seconds=300)
    assert server.steps(FOLDER.name, METRIC) == [1, 2, 3]
    assert len(server.runs) == 2
    assert len(server.named(FOLDER.name)["data"]["params"]) == 3


def test_two_studies_of_one_name_have_runs_of_their_own(server: MlflowServer) -> None:
    for name in ("one", "two"):
        made = Exporter(Target("s", name, "automl", Client(server.uri)), RUNNING)
        made.start([Training("t", "trial", completed(0, [0.1]), State.COMPLETED)])
        made.finish(DONE, seconds=300)
    assert len(server.runs) == 4


def test_a_server_that_is_away_is_told_once_and_gets_all_later(
    server: MlflowServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server.status = 503
    exporter = started(server)
    exporter.on_start(trial_of(1), FOLDER)
    for epoch in range(1, 4):
        exporter.on_measurement(trial_of(1, [0.1] * epoch))
    while server.calls < 5:
        time.sleep(0.01)
    server.status = 0
    assert exporter.finish(STOPPED, seconds=300) == 0
    assert server.steps(FOLDER.name, METRIC) == [1, 2, 3]
    assert len([line for line in caplog.messages if "cannot be reached" in line]) == 1
    assert any("answers again" in line for line in caplog.messages)


def test_a_server_that_is_away_delays_no_study_and_the_next_session_catches_up(
    server: MlflowServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = 500
    exporter = started(server)
    exporter.on_start(trial_of(1), FOLDER)
    exporter.on_measurement(trial_of(1, [0.1]))
    assert exporter.finish(STOPPED, seconds=300) == 2
    assert "2 runs are not sent completely" in caplog.text
    server.status = 0
    started(server, Training(FOLDER.name, "trial", trial_of(1, [0.1]), State.WAITING)).finish(STOPPED, seconds=300)
    assert server.steps(FOLDER.name, METRIC) == [1]


def test_credentials_that_are_not_accepted_are_told_with_the_remedy(
    server: MlflowServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.status, server.content = 401, b'{"error_code": "UNAUTHENTICATED", "message": "who are you"}'
    started(server).finish(STOPPED, seconds=300)
    assert (
        "does not accept the credentials (401 UNAUTHENTICATED: who are you); set MLFLOW_TRACKING_USERNAME"
        in caplog.text
    )


@pytest.mark.parametrize("content", [b"[]", b"null", b'{"experiment": 3}'])
def test_an_answer_of_another_form_is_a_warning(
    server: MlflowServer, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    server.status, server.content = 200, content
    assert started(server).finish(STOPPED, seconds=300) == 0
    assert "run s is refused: its answer has an unknown form" in caplog.text


def test_verdict_and_report_are_artifacts_of_the_study(server: MlflowServer, tmp_path: Path) -> None:
    (tmp_path / "promotion.json").write_text("{}")
    files = {name: tmp_path / name for name in ("promotion.json", "report.html")}
    for _ in range(2):
        assert started(server).finish(replace(DONE, files=files), seconds=300) == 0
    assert [path.rpartition("/")[2] for path in server.files] == ["promotion.json"]


def test_batches_keep_the_limits_of_the_server() -> None:
    many = [measurement(epoch, 0.1, **{f"m{number}": 1.0 for number in range(300)}) for epoch in range(1, 6)]
    batches = [batch["metrics"] for batch in metric_batches(many, after=1, now=5)]
    assert max(map(len, batches)) == 1000
    assert {point["step"] for batch in batches for point in batch} == {2, 3, 4, 5}
    params = [batch["params"] for batch in param_batches({f"p{number}": "x" * 9000 for number in range(150)})]
    assert [len(batch) for batch in params] == [100, 50]
    assert max(len(param["value"]) for batch in params for param in batch) == 5000
