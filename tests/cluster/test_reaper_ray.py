"""No process of a trial of several processes is left, however the trial ends; on a real Ray.

The ranks are those of torch elastic where a worker is killed with its group, and such as it starts in the other tests.
"""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from automl import cluster
from automl.cluster import launcher
from automl.study import Answer, Job, Kind, Measurement
from tests import hosted_cluster, ranks_run
from tests import two_ranks as tests_two_ranks
from tests.conftest import tiny_job_at
from tests.guarded_worker import wait_until
from tests.processes import kill_all
from tests.scripted_source import Jobs, workers
from tests.two_ranks import all_ended, marked

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]
ONE_PLACE = cluster.Slots(gpus=0, cpus=1, concurrent=1)


class Watched(Jobs):
    """One trial of two ranks; at its second measurement something happens to it."""

    def __init__(self, folder: Path, happens: Callable[[], None] = lambda: None) -> None:
        super().__init__([replace(tiny_job_at(folder / "0", folder, epochs=1000), number=0)], concurrent=1)
        self.folder = folder / "0"
        self.happens = happens

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        led = wait_until(lambda: len(ranks_run.ranks(self.folder)) == ranks_run.RANKS)  # both start alike
        assert led, "each rank must lead a session of its own"
        if measurement.epoch == 2:
            assert len(marked(self.folder)) >= 1 + ranks_run.RANKS
            self.happens()
        return super().measured(number, measurement, node=node)


@pytest.fixture(autouse=True)
def two_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "Training", tests_two_ranks.Training)


@pytest.mark.usefixtures("connection")
def test_without_a_guardian_a_worker_killed_with_its_group_leaves_its_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "Training", tests_two_ranks.Unguarded)
    source = Watched(tmp_path, lambda: os.killpg(workers()[0].pid, signal.SIGKILL))

    cluster.run(source, ONE_PLACE)

    assert wait_until(lambda: not workers())
    assert not all_ended(source.folder, seconds=3)
    kill_all(marked(source.folder))
    assert all_ended(source.folder)


@pytest.mark.usefixtures("connection")
def test_a_trial_that_is_stopped_leaves_none(tmp_path: Path) -> None:
    source = Watched(tmp_path)
    source.stop_trial_at = {0: 2}

    cluster.run(source, ONE_PLACE)

    assert all_ended(source.folder)


@pytest.mark.usefixtures("connection")
def test_a_trial_that_is_completed_leaves_none(tmp_path: Path) -> None:
    source = Watched(tmp_path)
    source.jobs[0] = replace(source.jobs[0], epochs=3)

    cluster.run(source, ONE_PLACE)

    assert source.endings[0].final
    assert all_ended(source.folder)


@pytest.mark.usefixtures("connection")
def test_a_trial_that_is_paused_leaves_none(tmp_path: Path) -> None:
    class Patient(Watched):
        """Lets the trial stay paused until nothing of it is left."""

        def next_job(self) -> Job | None:
            if self.story and not self.live and all_ended(self.folder, seconds=0):
                self.resume.clear()
                return None
            return super().next_job() if not self.story else None

    source = Patient(tmp_path)
    source.pause_at = {(0, 2)}
    source.resume = deque([0])

    cluster.run(source, ONE_PLACE)

    assert not source.resume
    assert not source.endings


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize(
    ("kill", "training"),
    [(os.kill, tests_two_ranks.Training), (os.killpg, tests_two_ranks.Elastic)],
    ids=["alone", "with its group"],
)
def test_a_trial_whose_worker_is_killed_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: Callable[[int, int], None], training: type
) -> None:
    monkeypatch.setattr(launcher, "Training", training)
    source = Watched(tmp_path, lambda: kill(workers()[0].pid, signal.SIGKILL))

    cluster.run(source, ONE_PLACE)

    assert source.losses[0][1].kind is Kind.WORKER
    assert all_ended(source.folder)


def drive(folder: Path, address: str) -> subprocess.Popen[bytes]:
    """Start a driver and wait for the ranks of its trial."""
    command = [sys.executable, "-m", "tests.cluster.test_reaper_ray", str(folder), address]
    driver = subprocess.Popen(command, env=hosted_cluster.environment(folder))
    assert wait_until(lambda: len(ranks_run.ranks(folder / "0")) == ranks_run.RANKS, seconds=600)
    assert len(marked(folder / "0")) >= 1 + ranks_run.RANKS
    return driver


def test_a_trial_whose_driver_is_killed_leaves_none(tmp_path: Path) -> None:
    driver = drive(tmp_path, "local")

    driver.kill()
    driver.wait()

    assert all_ended(tmp_path / "0")


def test_a_trial_whose_node_is_lost_leaves_none(tmp_path: Path) -> None:
    with hosted_cluster.host(tmp_path) as nodes:
        driver = drive(tmp_path, nodes.address)

        nodes.do("kill-raylet")

        assert all_ended(tmp_path / "0")
        driver.kill()
        driver.wait()


if __name__ == "__main__":
    vars(launcher)["Training"] = tests_two_ranks.Training
    hosted_cluster.join_as_started()
    with cluster.connected(address=sys.argv[2], log=Path(sys.argv[1]) / "ray.log"):
        cluster.run(Watched(Path(sys.argv[1])), ONE_PLACE)
