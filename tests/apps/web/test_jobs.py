"""Processes of studies: detached, with their output in a file, and without the page's password."""

import time
from pathlib import Path

import pytest

from automl.apps.web import jobs
from automl.apps.web.jobs import Jobs
from automl.study.errors import StudyError

SHOW = "import os, sys; print(sys.argv[1:], os.getsid(0) == os.getpid(), [k for k in os.environ if 'AUTOML_WEB' in k])"


def test_a_study_is_started_in_a_session_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "RUNNER", SHOW)
    monkeypatch.setenv("AUTOML_WEB_PASSWORD", "correct horse battery")
    started = Jobs(tmp_path)
    started.start("parts", "name: parts\n", overrides={"budget.trials": "3"})
    deadline = time.monotonic() + 60
    while started.is_starting("parts"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
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
