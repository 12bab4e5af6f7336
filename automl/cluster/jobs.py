"""Jobs of a head by Ray's job API: submit, find the running one of a study, follow its log, stop it."""

import asyncio
import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from automl.cluster.upload import SECRETS, Upload
from automl.storage import ray_token
from automl.study.errors import StudyError
from automl.study.text import log_text

STUDY: Final = "study"
STORAGE: Final = "storage"
"""Metadata of a job by which the next submission of the same study finds it."""
CLUSTER_LOST: Final = 75
STOPPED: Final = 130
LOST_SECONDS: Final = 120.0
"""Without an answer for this long, the head counts as lost."""
AGAIN_SECONDS: Final = 1.0
MOST_ATTEMPTS: Final = 20
STOP_SECONDS: Final = 60.0
"""Time that a job has from SIGTERM to SIGKILL; Ray's own 3 s are less than an orderly stop takes."""


@dataclass(frozen=True, slots=True)
class Request:
    """A study to submit: its name, its storage, and the command that runs it in the working directory."""

    study: str
    storage: str
    data: str
    command: str
    upload: Upload


class Jobs:
    """Jobs of one head."""

    def __init__(self, address: str) -> None:
        """Connect to the job API at an address such as http://127.0.0.1:8265.

        Raises:
            StudyError: it does not answer, is none, or does not accept the token.
        """
        self.address = address.rstrip("/")
        host = urlsplit(self.address).hostname or ""
        os.environ["NO_PROXY"] = ",".join(filter(None, (os.environ.get("NO_PROXY"), host)))
        # Ray reads it in preference to the argument.
        os.environ["RAY_API_SERVER_ADDRESS"] = self.address
        for name in ("sdk", "dashboard_sdk"):
            where = "ray.dashboard.modules.job" if name == "sdk" else "ray.dashboard.modules"
            logging.getLogger(f"{where}.{name}").setLevel(logging.ERROR)
        with self._answering():
            self._client = JobSubmissionClient(self.address, headers=_authorization())
            self._client.list_jobs()

    def info(self, job: str) -> JobDetails:
        """Return the state of a job."""
        with self._answering():
            return self._client.get_job_info(job)

    def running(self, study: str, storage: str | None) -> JobDetails | None:
        """Return the job that works on a study, in a storage if one is given; None if there is none."""
        with self._answering():
            found = self._client.list_jobs()
        for one in found:
            about = one.metadata or {}
            same = about.get(STUDY) == study and storage in {None, about.get(STORAGE)}
            if same and one.submission_id and not one.status.is_terminal():
                return one
        return None

    def submit(self, request: Request, variables: Mapping[str, str]) -> tuple[str, bool]:
        """Return the id of the job that runs a study, and whether it is new.

        The head accepts each id once, and the id is the study's next number: of two submissions at the same time one
        is accepted, and the other one finds its job.
        """
        for _ in range(MOST_ATTEMPTS):
            if request.study and (job := self.running(request.study, request.storage)):
                return str(job.submission_id), False
            number = 1 + max((_number(one.submission_id) for one in self._all()), default=0)
            wanted = f"automl-{request.study or 'plan'}-{number}"
            try:
                return self._submit(request, variables, wanted), True
            except RuntimeError as error:
                if all(one.submission_id != wanted for one in self._all()):
                    raise StudyError(f"{self.address}: refuses the job: {_first_line(error)}") from None
                time.sleep(AGAIN_SECONDS)
        raise StudyError(f"{self.address}: must accept a new job, but other submissions came first; submit again")

    def _all(self) -> Sequence[JobDetails]:
        with self._answering():
            found: Sequence[JobDetails] = self._client.list_jobs()
        return found

    def _submit(self, request: Request, variables: Mapping[str, str], job: str) -> str:
        stop = {"RAY_JOB_STOP_SIGNAL": "SIGTERM", "RAY_JOB_STOP_WAIT_TIME_S": str(math.ceil(_stop_seconds()))}
        environment: dict[str, Any] = {
            "working_dir": str(request.upload.folder), "excludes": list(SECRETS), "env_vars": {**stop, **variables},
        }  # fmt: skip
        about = {"job_name": request.study or "plan", STUDY: request.study, STORAGE: request.storage}
        try:
            return str(
                self._client.submit_job(
                    entrypoint=request.command, submission_id=job, runtime_env=environment,
                    metadata={**about, "data": request.data},
                )
            )  # fmt: skip
        except requests.RequestException as error:
            raise self._unreachable(error) from None

    def follow(self, job: str, show: Callable[[str], None], *, shown: int = 0) -> int:
        """Show the log of a job, from a number of characters on, until it ends; return its exit status.

        A lost connection is made again; `CLUSTER_LOST` if the head stays away.
        """
        log, answered = _Log(show, shown), time.monotonic()
        ended: JobDetails | None = None
        while True:
            try:
                asyncio.run(self._tail(job, log))
                found = self._client.get_job_info(job)
                answered = time.monotonic()
                if found.status.is_terminal():
                    ended = found
                    log.end(self._client.get_job_logs(job))
                    return exit_status(found)
            except (OSError, RuntimeError, aiohttp.ClientError, requests.RequestException):
                pass  # asked again below
            if time.monotonic() - answered > LOST_SECONDS:
                return exit_status(ended) if ended else CLUSTER_LOST
            time.sleep(AGAIN_SECONDS)

    async def _tail(self, job: str, log: "_Log") -> None:
        log.position = 0
        async for chunk in self._client.tail_job_logs(job):
            log.take(chunk)

    def log(self, job: str) -> str:
        """Return the log of a job so far."""
        with self._answering():
            return str(self._client.get_job_logs(job))

    def stop(self, job: str) -> JobDetails:
        """Stop a job in an orderly way, and return its state after it has ended."""
        with self._answering():
            self._client.stop_job(job)
        seconds = _stop_seconds() + LOST_SECONDS
        until = time.monotonic() + seconds
        while not (found := self.info(job)).status.is_terminal():
            if time.monotonic() > until:
                raise StudyError(f"job {job}: must end within {seconds:.0f} s of its stop, but still runs; see its log")
            time.sleep(AGAIN_SECONDS)
        return found

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except AuthenticationError:
            raise StudyError(
                f"{self.address}: must be a Ray head, but does not accept the token; copy it from the head, and see "
                "RAY_AUTH_TOKEN_PATH"
            ) from None
        except (OSError, requests.RequestException, RuntimeError, ValueError) as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: Exception) -> StudyError:
        return StudyError(
            f"{self.address}: must be a Ray head, but {_first_line(error)}; set RAY_API_SERVER_ADDRESS or pass "
            "--address, or start one: launch/local.sh"
        )


class _Log:
    """Log of a job, of which each character is shown once, however often it is read from the start."""

    def __init__(self, show: Callable[[str], None], shown: int) -> None:
        self._show, self._shown = show, shown
        self.position = 0

    def take(self, chunk: str) -> None:
        """Show what is new of the next chunk."""
        fresh = chunk[max(0, self._shown - self.position) :]
        self.position += len(chunk)
        self._shown = max(self._shown, self.position)
        if fresh:
            self._show(log_text(fresh))

    def end(self, whole: str) -> None:
        """Show what came after the last chunk."""
        self.position = 0
        self.take(whole)


def _authorization() -> dict[str, str]:
    """Return the header with the token; Ray's own loader reads the environment once in a process."""
    return {"Authorization": f"Bearer {ray_token.text()}"} if ray_token.required() else {}


def exit_status(found: JobDetails) -> int:
    """Return the exit status of a job that has ended, as a shell would say it."""
    code = found.driver_exit_code
    if code is not None and (code or found.status == JobStatus.SUCCEEDED):
        return int(code) if code >= 0 else 128 - int(code)
    return {JobStatus.SUCCEEDED: 0, JobStatus.STOPPED: STOPPED}.get(found.status, 1)


def _stop_seconds() -> float:
    """Return the time that a job has for its orderly stop.

    Raises:
        StudyError: the environment names none.
    """
    given = os.environ.get("AUTOML_STOP_SECONDS", "") or str(STOP_SECONDS)
    with suppress(ValueError):
        if 0 < float(given) < math.inf:
            return float(given)
    raise StudyError(f"AUTOML_STOP_SECONDS: must be seconds above 0, such as {STOP_SECONDS:g}, but got {given!r}")


def _number(job: str | None) -> int:
    """Return the number at the end of an id, 0 without one.

    >>> _number("automl-cards-3"), _number("raysubmit_x")
    (3, 0)
    """
    last = (job or "").rpartition("-")[2]
    return int(last) if last.isdecimal() and (job or "").startswith("automl-") and len(last) < 9 else 0


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
