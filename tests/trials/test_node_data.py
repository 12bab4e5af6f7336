"""The data set of a job on its node."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.data import node_copy
from automl.study import Job, State
from automl.trials import node_data, worker
from tests.conftest import tiny_job_at


@pytest.fixture
def job(data: Path, tmp_path: Path) -> Job:
    return replace(tiny_job_at(tmp_path / "job", data), local_copy="always", local_copy_gb=1.0)


def test_a_training_reads_the_copy_on_its_node(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_CACHE", str(tmp_path / "cache"))
    with node_data.local(job) as here:
        assert Path(here.data).is_relative_to(tmp_path / "cache")
    assert worker.run(job, lambda _measurement: None).state is State.COMPLETED


def test_by_default_data_on_a_network_file_system_are_copied_and_others_are_not(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_CACHE", str(tmp_path / "cache"))
    with node_data.local(replace(job, local_copy="auto")) as here:
        assert here.data == job.data
    monkeypatch.setattr(node_copy, "is_remote", lambda _marker: True)
    with node_data.local(replace(job, local_copy="auto")) as here:
        assert here.data != job.data


def test_a_copy_that_cannot_be_made_is_said(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AUTOML_CACHE", "")
    with node_data.local(job) as here:
        assert here.data == job.data
    assert "since AUTOML_CACHE is empty" in capsys.readouterr().out
