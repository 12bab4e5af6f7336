"""The fork server: a clean process for each training, none left when its owner is gone. Without Ray and torch."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from automl.study import Ending, Job, Measurement, Report
from automl.trials import fork_server
from automl.trials.fork_server import Owner
from automl.trials.order import OVER, Order
from tests import tiny_trainer
from tests.builders import METRIC
from tests.guarded_worker import wait_until

pytestmark = pytest.mark.slow
SEEN = "AUTOML_TEST_SEEN"


def run(job: Job, report: Report) -> Ending:
    """Say what the process is like, then return."""
    seen = {"parent": float(os.getppid()), "session": float(os.getsid(0)), "seen": float(os.environ[SEEN])}
    report(Measurement(1, seen, 0.0))
    sys.stdout.write("\x1b[31mred\x1b[0m\n")
    return Ending(final=Measurement(1, {job.metric: 0.5}, 0.0))


def wait(job: Job, report: Report) -> Ending:
    """Report for ever."""
    for epoch in range(1, 10**6):
        report(Measurement(epoch, {job.metric: 0.5}, 0.0))
    return Ending(cause="nobody listens")


def fail(_job: Job, _report: Report) -> Ending:
    raise OSError(5, "Input/output error", "last.pt")


@pytest.fixture
def owner() -> Iterator[Owner]:
    """A server whose owner is a process that sleeps."""
    asleep = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])
    yield Owner(asleep.pid, "study", tiny_trainer.registered(), idle=30.0)
    asleep.kill()
    asleep.wait()


def begin(owner: Owner, folder: Path, function: Any, **environment: str) -> tuple[int, Any]:
    """Start a training; return its process and the lines of its connection."""
    connection = fork_server.connect(owner)
    lines = connection.makefile("rw", encoding="utf-8")
    connection.close()
    process = int(lines.readline())
    job = Job(folder, 0, {}, 0, 3, "tiny.yaml", "data.yaml", METRIC, {}, trainer="tiny")
    order = Order(job.to_dict(), f"{__name__}:{function.__name__}", {**os.environ, **environment}, sys.path)
    lines.write(order.to_line())
    lines.flush()
    return process, lines


def next_message(lines: Any) -> Any:
    found = json.loads(lines.readline())
    lines.write("\n")
    lines.flush()
    return found


def test_trainings_are_forks_of_one_server_with_their_own_environment(owner: Owner, tmp_path: Path) -> None:
    seen = []
    for number in (1, 2):
        process, lines = begin(owner, tmp_path / str(number), run, **{SEEN: str(number)})
        first = next_message(lines)["measurement"]["metrics"]
        assert first["session"] == process, "a session of its own, for the reaper"
        assert next_message(lines)["ending"]["final"]
        assert OVER in json.loads(lines.readline())
        assert lines.readline() == ""
        assert (tmp_path / str(number) / "log.txt").read_text() == "red\n"
        seen.append((first["parent"], first["seen"]))
    assert seen[0][0] == seen[1][0]
    assert [value for _, value in seen] == [1, 2]


def test_a_training_ends_when_nobody_answers_and_its_server_when_its_owner_ends(owner: Owner, tmp_path: Path) -> None:
    process, lines = begin(owner, tmp_path, wait)
    server = psutil.Process(process).parent()
    assert server
    next_message(lines)
    lines.close()
    assert wait_until(lambda: not psutil.pid_exists(process))

    os.kill(owner.process, signal.SIGKILL)

    assert wait_until(lambda: not server.is_running())
    with pytest.raises(ConnectionRefusedError, match="refused"), socket.socket(socket.AF_UNIX) as other:
        other.connect(owner.address)


def test_a_server_without_trainings_ends_and_the_next_one_starts(owner: Owner, tmp_path: Path) -> None:
    brief = Owner(owner.process, owner.name, owner.trainer, idle=0.2)
    parents = []
    for number in (1, 2):
        process, lines = begin(brief, tmp_path / str(number), wait)
        server = psutil.Process(process).parent()
        assert server
        parents.append(server.pid)
        lines.close()
        assert wait_until(lambda server=server: not server.is_running())
    assert parents[0] != parents[1]


def test_a_killed_training_ends_its_connection_without_the_last_message(owner: Owner, tmp_path: Path) -> None:
    process, lines = begin(owner, tmp_path, wait)
    assert "measurement" in json.loads(lines.readline())
    os.kill(process, signal.SIGKILL)
    assert not lines.read()


def test_a_failure_of_the_storage_is_sent_with_its_number(owner: Owner, tmp_path: Path) -> None:
    _, lines = begin(owner, tmp_path, fail)
    assert json.loads(lines.readline()) == {"failed": [5, "Input/output error", "last.pt"]}
    assert "Input/output error" in (tmp_path / "log.txt").read_text()


def test_the_server_of_a_driver_serves_its_workers_and_those_of_no_other_trainer(owner: Owner, tmp_path: Path) -> None:
    other = Owner(owner.process, owner.name, "other", idle=0.2)
    with fork_server.prepared(owner.trainer):
        assert os.environ[fork_server.PREPARED].startswith(f"{owner.trainer}=automl-")
        process, lines = begin(owner, tmp_path, wait)
        server = psutil.Process(process).parent()
        assert server
        assert json.loads(server.cmdline()[-1])["process"] == os.getpid(), "it ends with the driver"
        assert server.environ()[fork_server.THREADS]
        fork_server.start(owner)
        assert not serves(owner), "there is one already"
        with fork_server.connect(other):
            assert serves(other)
    assert fork_server.PREPARED not in os.environ
    lines.close()
    assert wait_until(lambda: not psutil.pid_exists(process))
    server.kill()
    with fork_server.connect(owner):
        assert serves(owner), "one that ended is replaced"


def test_a_server_that_is_started_ahead_is_the_one_that_is_used(owner: Owner, tmp_path: Path) -> None:
    assert not serves(owner)
    fork_server.start(owner)
    fork_server.start(owner)
    assert serves(owner)
    process, lines = begin(owner, tmp_path, wait)
    server = psutil.Process(process).parent()
    assert server
    assert json.loads(server.cmdline()[-1])["process"] == owner.process
    lines.close()


def test_a_server_that_was_started_ahead_for_nothing_ends(owner: Owner) -> None:
    brief = Owner(owner.process, owner.name, owner.trainer, idle=0.2, first=3.0)
    fork_server.start(brief)
    assert serves(brief)
    assert wait_until(lambda: not serves(brief))


def serves(owner: Owner) -> bool:
    """Return True if somebody has the name of a server."""
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(owner.address)
        except OSError:
            return True
    return False
