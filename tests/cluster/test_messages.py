"""The messages of a training, at its worker; without a cluster."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from automl.cluster import guard, training
from automl.trials import fork_server
from tests import tiny_trainer
from tests.conftest import tiny_job_at
from tests.guarded_worker import guardians, wait_until
from tests.trials.test_fork_server import wait

pytestmark = pytest.mark.slow


@contextmanager
def asleep() -> Iterator[fork_server.Owner]:
    """Own a server by a process that sleeps."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
    try:
        yield fork_server.Owner(process.pid, "study", tiny_trainer.registered())
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("answered", [0, 1])
def test_those_of_a_training_that_is_killed_end_without_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answered: int
) -> None:
    """A killed process resets the connection where it had not read an answer."""
    monkeypatch.setenv("AUTOML_TRIAL", "")
    job = tiny_job_at(tmp_path / "job", tmp_path)
    with asleep() as owner, fork_server.connect(owner) as connection:
        messages = training._messages(job, connection, f"{wait.__module__}:{wait.__name__}")
        for _ in range(answered):
            next(messages)
        assert "measurement" in json.loads(next(messages))
        (process,) = [pid for pid, _ in guard._leftovers(guard._name(job.folder))]
        os.kill(process, signal.SIGKILL)
        assert wait_until(lambda: not guardians(job.folder)), "its reaper ends with it"
        assert not list(messages)
