"""A job that is followed or stopped while its head does not answer; the head is a fake."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import requests
from ray.job_submission import JobStatus

from automl.cluster import jobs
from automl.cluster.jobs import CLUSTER_LOST, Jobs
from automl.study.errors import StudyError


class Details:
    """What a head says of a job."""

    def __init__(self, status: JobStatus, code: int | None) -> None:
        self.status, self.driver_exit_code = status, code


class Head:
    """A client whose head ends once the job has ended; it answers so many requests for the whole log."""

    def __init__(self, details: Details, *, logs: int, answers: int = 10**9) -> None:
        self.details, self.logs, self.answers = details, logs, answers

    async def tail_job_logs(self, _job: str) -> AsyncIterator[str]:
        yield "a\n"

    def get_job_info(self, _job: str) -> Details:
        self.answers -= 1
        if self.answers < 0:
            raise requests.ConnectionError("refused")
        return self.details

    def get_job_logs(self, _job: str) -> str:
        self.logs -= 1
        if self.logs < 0:
            raise requests.ConnectionError("refused")
        return "a\nb\n"

    def stop_job(self, _job: str) -> None:
        """Do nothing: the job goes on."""


def jobs_of(head: Head) -> Jobs:
    made = Jobs.__new__(Jobs)
    vars(made).update(address="http://head", _client=head)
    return made


@pytest.mark.parametrize(
    ("head", "status", "shown"),
    [
        (Head(Details(JobStatus.FAILED, 2), logs=1), 2, "a\nb\n"),
        (Head(Details(JobStatus.FAILED, 2), logs=0, answers=1), 2, "a\n"),
        (Head(Details(JobStatus.RUNNING, None), logs=0, answers=1), CLUSTER_LOST, "a\n"),
    ],
)
def test_a_head_that_ends_with_its_job_is_no_error(
    monkeypatch: pytest.MonkeyPatch, head: Any, status: int, shown: str
) -> None:
    monkeypatch.setattr(jobs, "LOST_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "AGAIN_SECONDS", 0.0)
    lines: list[str] = []
    assert jobs_of(head).follow("job", lines.append) == status
    assert "".join(lines) == shown


def test_a_job_that_does_not_stop_is_told_with_the_time_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "LOST_SECONDS", -60.0)
    monkeypatch.setattr(jobs, "STOP_SECONDS", 60.0)
    with pytest.raises(StudyError, match="job a: must end within 0 s of its stop, but still runs"):
        jobs_of(Head(Details(JobStatus.RUNNING, None), logs=0)).stop("a")


@pytest.mark.parametrize("given", ["soon", "0", "-5", "nan", "inf"])
def test_a_time_for_the_stop_that_is_none_is_a_mistake(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_STOP_SECONDS", given)
    with pytest.raises(
        StudyError, match=f"AUTOML_STOP_SECONDS: must be seconds above 0, such as 60, but got '{given}'"
    ):
        jobs._stop_seconds()
