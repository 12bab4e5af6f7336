"""Actors that run one job after another, each in a clean process; none is kept that was killed or has no job."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import ray
from ray.exceptions import GetTimeoutError

from automl import cluster
from automl.cluster.kept_actors import (
    IDLE_SECONDS,
    RELEASE_SECONDS,
    SILENT_SECONDS,
    IdleActors,
    Releases,
    never_keep,
)
from automl.study import Answer, Job, Kind, Loss, Measurement, State
from automl.trials import heartbeat
from tests.conftest import tiny_job_at
from tests.guarded_worker import wait_until
from tests.scripted_source import Jobs, all_gone, kill_a_worker, workers


class Seen(Jobs):
    """Notes which worker of Ray and which process runs each job."""

    def __init__(self, jobs: list[Job]) -> None:
        super().__init__(jobs, concurrent=1)
        self.workers: dict[int, set[int]] = {}
        self.processes: dict[tuple[int, int], int] = {}

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        self.workers.setdefault(number, set()).update(one.pid for one in workers())
        if beat := heartbeat.read(self.all[number].folder):
            self.processes[number, beat.attempt] = beat.process
        return super().measured(number, measurement, node=node)


def jobs_at(folder: Path, data: Path, count: int) -> list[Job]:
    return [replace(tiny_job_at(folder / str(number), data), number=number) for number in range(count)]


@pytest.mark.ray
@pytest.mark.usefixtures("connection")
def test_one_actor_runs_all_jobs_of_a_place_and_each_has_a_process_of_its_own(tmp_path: Path, data: Path) -> None:
    source = Seen(jobs_at(tmp_path, data, 3))
    source.pause_at = {(0, 1)}
    source.resume.append(0)
    source.stop_trial_at = {1: 2}

    cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent=1))

    assert {number: ending.state for number, ending in source.endings.items()} == {
        0: State.COMPLETED, 2: State.COMPLETED,
    }  # fmt: skip
    assert source.story == [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (0, 2), (0, 3)]
    assert len(set().union(*source.workers.values())) == 1
    assert len(set(source.processes.values())) == len(source.processes) >= 3
    assert not source.losses
    assert all_gone()


class Killed(Seen):
    """Kills the worker where no job runs, so that the next job gets one that is dead."""

    def next_job(self) -> Job | None:
        if 0 in self.endings and not self.losses and workers():
            kill_a_worker()
            assert wait_until(lambda: not workers())
        return super().next_job()


@pytest.mark.ray
@pytest.mark.usefixtures("connection")
def test_a_job_that_gets_a_dead_actor_is_retried_on_another(tmp_path: Path, data: Path) -> None:
    source = Killed(jobs_at(tmp_path, data, 2))
    source.retries = 1

    cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent=1))

    assert [(number, loss.kind) for number, loss in source.losses] == [(1, Kind.WORKER)]
    assert {ending.state for ending in source.endings.values()} == {State.COMPLETED}
    assert all_gone()


class Hanging(Seen):
    """Says once that the first job hangs, which is then ended with its worker."""

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        if measurement.epoch == 1 and not self.losses:
            self.hangs = {number: "not heard"}
        return super().measured(number, measurement, node=node)

    def lost(self, number: int, loss: Loss) -> None:
        self.ended_workers = set().union(*self.workers.values())
        super().lost(number, loss)


@pytest.mark.ray
@pytest.mark.usefixtures("connection")
def test_an_actor_that_was_killed_is_not_kept(tmp_path: Path, data: Path) -> None:
    source = Hanging([replace(tiny_job_at(tmp_path / "0", data, epochs=12), number=0)])
    source.retries = 1

    cluster.run(source, cluster.slots(gpus=0, cpus="auto", concurrent=1))

    assert [loss.kind for _, loss in source.losses] == [Kind.HUNG], "a dead actor would lose the job once more"
    assert source.endings[0].state is State.COMPLETED
    assert source.ended_workers
    assert wait_until(lambda: not any(map(psutil.pid_exists, source.ended_workers)))


class Controller:
    """As much of Ray Tune's controller as is asked of it."""

    def __init__(self) -> None:
        self._tune_controller = self
        self._actor_cache = SimpleNamespace(num_cached_objects=0)
        self._started_actors: set[str] = {"one", "other"}
        self._trial_to_actor: dict[Any, str] = {"trial": "one"}
        self.ended = 0

    def _cleanup_cached_actors(self, *, force_all: bool) -> None:
        assert force_all
        self.ended += 1
        self._actor_cache.num_cached_objects = 0


def test_an_idle_actor_is_ended_after_a_while_and_one_that_is_used_again_is_not() -> None:
    now, controller = [0.0], Controller()
    idle = IdleActors(lambda: now[0])

    def at(moment: float, cached: int) -> int:
        now[0], controller._actor_cache.num_cached_objects = moment, cached
        idle.look(controller)
        return controller.ended

    assert [at(0, 1), at(IDLE_SECONDS - 1, 1), at(IDLE_SECONDS - 0.5, 0)] == [0, 0, 0]
    assert [at(IDLE_SECONDS, 1), at(2 * IDLE_SECONDS - 0.1, 1)] == [0, 0], "counted anew since it was used"
    assert at(2 * IDLE_SECONDS, 1) == 1


def test_the_actor_of_a_trial_that_was_killed_is_forgotten_and_no_other() -> None:
    controller: Any = Controller()
    never_keep(controller, "trial")
    assert controller._started_actors == {"other"}


def test_the_driver_waits_for_one_actor_that_does_not_answer_and_for_none_soon_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, waited = [0.0], list[float]()

    def silent(_reference: object, *, timeout: float) -> None:
        waited.append(timeout)
        raise GetTimeoutError

    monkeypatch.setattr(ray, "get", silent)
    actor = SimpleNamespace(release=SimpleNamespace(remote=lambda: None))
    trial: Any = type("Trial", (), {"temporary_state": SimpleNamespace(ray_actor=actor)})()
    releases = Releases(lambda: now[0])

    def kept(moment: float) -> bool:
        now[0], controller = moment, Controller()
        controller._trial_to_actor = {trial: "one"}
        releases.release(controller, trial)
        return "one" in controller._started_actors

    assert [kept(0), kept(1), kept(SILENT_SECONDS - 1), kept(SILENT_SECONDS + 1)] == [False] * 4
    assert waited == [RELEASE_SECONDS, 0.0, 0.0, RELEASE_SECONDS]

    monkeypatch.setattr(ray, "get", lambda _reference, *, timeout: waited.append(timeout))
    assert kept(10 * SILENT_SECONDS), "an actor that answers is kept"
    assert waited[-1] == RELEASE_SECONDS
