"""What a trial leaves behind when its worker goes: nothing. Real processes, without Ray and without torch."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from automl.cluster import reaper
from tests.guarded_worker import guardians, start, wait_until
from tests.processes import alive, kill_all

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["own session", "below", "deaf"])
def test_no_process_of_a_trial_outlives_its_worker_whose_whole_group_is_killed(tmp_path: Path, kind: str) -> None:
    worker, children = start(tmp_path, kind)

    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()

    assert wait_until(lambda: not alive(children)), "left behind"
    assert wait_until(lambda: not guardians(tmp_path)), "the guardian goes too"


@pytest.mark.parametrize(("kind", "looks"), [("forked", 0), ("forked away", 2)])
def test_a_child_without_a_program_is_found_by_its_group_and_its_parent(tmp_path: Path, kind: str, looks: int) -> None:
    worker, children = start(tmp_path, kind)
    assert not any(reaper.marked(child.pid, "") for child in children), "its environment is its parent's first one"
    wait_for_looks(tmp_path, looks)

    worker.kill()
    worker.wait()

    assert wait_until(lambda: not alive(children)), "left behind"


def wait_for_looks(folder: Path, count: int) -> None:
    """Wait until the guardian has fallen asleep so often: one that it was in the middle of, and a whole one."""
    (guardian,) = guardians(folder)
    before = guardian.num_ctx_switches().voluntary
    assert wait_until(lambda: guardian.num_ctx_switches().voluntary >= before + count)


def test_what_is_no_part_of_the_trial_lives_on(tmp_path: Path) -> None:
    worker, children = start(tmp_path / "a", "own session")
    other, others = start(tmp_path / "b", "own session")

    worker.kill()
    worker.wait()

    assert wait_until(lambda: not alive(children) and not guardians(tmp_path / "a"))
    assert alive([psutil.Process(other.pid), *others]) == [psutil.Process(other.pid), *others]
    other.kill()
    other.wait()
    assert wait_until(lambda: not alive(others))


def test_the_guardian_keeps_no_pipe_of_the_worker_open(tmp_path: Path) -> None:
    worker, children = start(tmp_path, "deaf", stdout=subprocess.PIPE)
    assert worker.stdout
    (guardian,) = guardians(tmp_path)
    guardian.suspend()  # it must not have ended before
    worker.kill()

    assert worker.communicate()[0] == b""
    guardian.resume()
    assert wait_until(lambda: not alive(children))


def test_a_restarted_trial_first_ends_what_its_earlier_attempt_left(tmp_path: Path) -> None:
    hung, left = start(tmp_path, "own session")

    again, children = start(tmp_path, "own session")

    assert hung.wait(timeout=300) == -signal.SIGTERM
    assert not alive(left)
    assert alive(children) == children
    again.kill()
    again.wait()
    assert wait_until(lambda: not alive(children) and not guardians(tmp_path))


def test_leftovers_without_a_guardian_are_ended_too(tmp_path: Path) -> None:
    hung, left = start(tmp_path, "own session")
    kill_all(guardians(tmp_path))
    hung.kill()
    hung.wait()
    time.sleep(0.5)
    assert alive(left) == left, "without its guardian a child in a session of its own stays"

    again, children = start(tmp_path, "own session")

    assert not alive(left)
    again.kill()
    again.wait()
    assert wait_until(lambda: not alive(children))


def test_on_an_old_kernel_the_worker_is_looked_up_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_pid: int) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", missing)
    worker = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(0.5)"])

    assert reaper.watched((worker.pid, reaper.start_of(worker.pid))) == set()
    assert worker.wait() == 0


def test_a_process_that_got_the_id_of_another_is_spared() -> None:
    worker = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(300)"])

    reaper.send((worker.pid, reaper.start_of(worker.pid) - 1), signal.SIGKILL)
    time.sleep(0.2)

    assert worker.poll() is None
    reaper.send((worker.pid, reaper.start_of(worker.pid)), signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL


def test_one_that_cannot_be_ended_does_not_hold_a_trial_up_for_ever() -> None:
    worker = (2**22 + 1, 1)

    assert not reaper.end(lambda: {worker}, seconds=0.5)
