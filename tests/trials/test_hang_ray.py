"""A worker that hangs: its trial goes on elsewhere, and when it wakes it must not write."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from automl import cluster
from automl.storage import curves_file
from automl.study import Answer, Kind, Measurement, State
from automl.study.spec_parts import ResourcesSpec
from automl.trials import heartbeat, lease, worker
from automl.trials.active import ActiveJobs
from tests.conftest import job_at, tiny_job_at
from tests.guarded_worker import wait_until
from tests.processes import ended
from tests.scripted_source import Jobs, all_gone, workers
from tests.simulated_study import Clock

RUN = """
import sys, yaml
from automl.trials import worker
from automl.study import Job
def told(measurement):
    print("epoch", measurement.epoch, flush=True)
    if measurement.epoch == 2:
        sys.stdin.readline()
print(worker.run(Job.from_dict(yaml.safe_load(open(sys.argv[1]))), told))
"""
"""A trial that goes on after its second epoch when it gets a line."""


class Hanging(Jobs):
    """Stops the worker of the only trial at an epoch, and says after a while that it hangs."""

    stopped = 0

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        if measurement.epoch == 2 and not self.stopped:
            self.stopped = workers()[0].pid
            os.kill(self.stopped, signal.SIGSTOP)
            threading.Timer(1.0, lambda: self.hangs.update({0: "not heard"})).start()
        return super().measured(number, measurement, node=node)


@pytest.mark.ray
@pytest.mark.usefixtures("connection")
def test_a_trial_whose_worker_hangs_goes_on_and_the_hanging_process_is_ended(tmp_path: Path, data: Path) -> None:
    source = Hanging([tiny_job_at(tmp_path, data, epochs=3)], concurrent=1)
    source.retries = 1

    cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent=1))

    assert [(number, loss.kind) for number, loss in source.losses] == [(0, Kind.HUNG)]
    assert source.endings[0].state is State.COMPLETED, source.endings[0].cause
    assert source.story == [(0, 1), (0, 2), (0, 3)]
    assert all_gone()
    assert wait_until(lambda: not Path("/proc", str(source.stopped)).exists()), "its parent reaps it"


@pytest.mark.slow
def test_a_worker_that_wakes_after_its_trial_went_on_writes_nothing(tmp_path: Path, data: Path) -> None:
    card = tmp_path / "job.yaml"
    job = tiny_job_at(tmp_path / "trial", data, epochs=4)
    job = replace(job, attempt=lease.acquire(job.folder))
    card.write_text(json.dumps(job.to_dict()))
    with ended(
        subprocess.Popen(
            [sys.executable, "-c", RUN, str(card)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    ) as first:
        assert first.stdin
        assert first.stdout
        while "epoch 2" not in first.stdout.readline():
            assert first.poll() is None
        first.send_signal(signal.SIGSTOP)
        second = worker.run(replace(job, attempt=lease.acquire(job.folder)), lambda _measurement: None)
        before = contents(job.folder)

        first.send_signal(signal.SIGCONT)
        first.stdin.write("go on\n")
        first.stdin.flush()

        assert first.wait(timeout=720) != 0
    assert second.state is State.COMPLETED, second.cause
    assert contents(job.folder) == before
    assert [m.epoch for m in curves_file.read_curves(job.folder)] == [1, 2, 3, 4]


def contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_job_that_is_not_heard_any_more_hangs(tmp_path: Path) -> None:
    clock = Clock()
    running = ActiveJobs(ResourcesSpec(hung_minutes=1), clock)
    job = running.start(replace(job_at(tmp_path / "0", tmp_path), number=7))

    def after(seconds: float) -> Mapping[int, str]:
        found: Mapping[int, str] = {}
        for _ in range(int(seconds / 6)):
            clock.now += 6
            found = running.hung()
        return found

    assert after(300) == {}, "one that was never heard of waits for a place"
    with heartbeat.heartbeats(job.folder, job.attempt, seconds=0.02):
        while heartbeat.read(job.folder) is None:
            time.sleep(0.02)
        assert after(6) == {}
        kept = (job.folder / heartbeat.BEAT).read_bytes()
    (job.folder / heartbeat.BEAT).write_bytes(kept)  # as a killed worker leaves it
    assert after(54) == {}
    assert list(after(60)) == [7]
    running.release(7)
    assert after(120) == {}


def test_a_heartbeat_of_an_earlier_attempt_is_none_of_this_one(tmp_path: Path) -> None:
    clock = Clock()
    running = ActiveJobs(ResourcesSpec(hung_minutes=1), clock)
    job = running.start(replace(job_at(tmp_path / "0", tmp_path), number=7))
    beat = heartbeat.Beat(job.attempt - 1, "node", 1, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00")
    (job.folder / heartbeat.BEAT).write_text(json.dumps(asdict(beat)))

    for _ in range(30):
        clock.now += 6
        assert running.hung() == {}


def test_where_nobody_can_write_nobody_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    running = ActiveJobs(ResourcesSpec(hung_minutes=1), clock)
    job = running.start(replace(job_at(tmp_path / "0", tmp_path), number=7))
    now = "2026-01-01T00:00:00+00:00"
    (job.folder / heartbeat.BEAT).write_text(json.dumps(asdict(heartbeat.Beat(job.attempt, "node", 1, now, now))))
    monkeypatch.setattr("automl.trials.active._writable", lambda _folder: False)

    for _ in range(60):
        clock.now += 6
        assert running.hung() == {}
