"""Processes of studies: detached, with their output in a file, without the page's password; and jobs of a cluster."""

import json
import os
import socket
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import pytest

from automl.apps.web import jobs
from automl.apps.web.jobs import Jobs, audit_of
from automl.study.errors import StudyError
from automl.trials.heartbeat import Beat
from automl.trials.lease import utc_now
from tests import processes
from tests.apps.web.conftest import until
from tests.builders import written
from tests.fake_head import TOKEN, fake_head

SHOW = "import os, sys; print(sys.argv[1:], os.getsid(0) == os.getpid(), [k for k in os.environ if 'AUTOML_WEB' in k])"


def test_a_study_is_started_in_a_session_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "RUNNER", SHOW)
    monkeypatch.setenv("AUTOML_WEB_PASSWORD", "correct horse battery")
    started = Jobs(tmp_path)
    started.start("parts", "name: parts\n", overrides={"budget.trials": "3"})
    until(lambda: not started.is_starting("parts"))
    assert started.description("parts").read_text() == "name: parts\n"
    assert "'--set', 'budget.trials=3'" in started.tail("parts")
    assert started.tail("parts").endswith("True []")
    assert not started.failed("parts")


def test_a_study_that_exists_is_not_started_again(tmp_path: Path) -> None:
    (tmp_path / "runs/parts").mkdir(parents=True)
    with pytest.raises(StudyError, match="must be the name of a new study"):
        Jobs(tmp_path).start("parts", "name: parts\n", overrides={})


def test_without_a_process_there_is_nothing_to_stop(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="must have a process on this machine, but has none"):
        Jobs(tmp_path).stop("parts")


@pytest.mark.parametrize("ended", [True, False])
def test_a_process_that_has_the_number_of_an_ended_driver_is_not_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ended: bool
) -> None:
    sent: list[int] = []
    with processes.ended(subprocess.Popen([sys.executable, "-c", "'automl'; import time; time.sleep(600)"])) as process:
        at = "2026-01-01T00:00:00.000+00:00" if ended else utc_now()
        beat = Beat(0, socket.gethostname(), process.pid, at, at)
        written(tmp_path / "runs/parts", "heartbeat.json", json.dumps(asdict(beat)))
        until(lambda: b"automl" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        try:
            with monkeypatch.context() as patched:
                patched.setattr(os, "kill", lambda number, _signal: sent.append(number))
                with pytest.raises(StudyError, match="must have a process") if ended else nullcontext():
                    Jobs(tmp_path).stop("parts")
        finally:
            process.kill()
    assert sent == ([] if ended else [process.pid])


def test_an_audit_is_a_process_beside_that_of_its_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "RUNNER", SHOW)
    started = Jobs(tmp_path, head="http://127.0.0.1:1")
    started.audit("parts", language="zh")
    assert not started.is_starting("parts")
    until(lambda: not started.is_starting(audit_of("parts")))
    assert f"['audit', '{tmp_path / 'runs/parts'}', '--lang', 'zh'" in started.tail(audit_of("parts"))


@pytest.mark.slow
def test_with_a_head_a_study_is_a_job_of_it_that_is_followed_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("NO_PROXY", "")
    with fake_head() as head:
        head.log, head.status = "epoch 1\n", "SUCCEEDED"
        started = Jobs(tmp_path, head=head.address)
        started.start("parts", "name: parts\n", overrides={"budget.trials": "3"})
        until(lambda: not started.is_starting("parts"), seconds=300)
        assert "epoch 1\n" in started.tail("parts")
        assert not started.failed("parts")
        job = head.jobs["automl-parts-1"]
        assert (
            f"search {tmp_path}/web/parts.yaml --name parts --set budget.trials=3 --storage {tmp_path}"
            in job["entrypoint"]
        )
        assert job["runtime_env"]["env_vars"]["AUTOML_STORAGE"] == str(tmp_path)
        with pytest.raises(StudyError, match="study parts: must have a running job at"):
            started.stop("parts")
        job["status"] = "RUNNING"
        started.stop("parts")
        assert head.stopped == ["automl-parts-1"]
        started.resume("parts")
        until(lambda: not started.is_starting("parts"), seconds=300)
        assert f"resume {tmp_path}/runs/parts --storage {tmp_path}" in head.jobs["automl-parts-2"]["entrypoint"]


@pytest.mark.slow
def test_a_head_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    started = Jobs(tmp_path, head="http://127.0.0.1:1")
    started.start("parts", "name: parts\n", overrides={})
    until(lambda: not started.is_starting("parts"), seconds=300)
    assert started.failed("parts")
    assert started.tail("parts").startswith("automl: http://127.0.0.1:1: must be a Ray head, but")
