"""Trials that pause and go on, on a real embedded Ray with trainings of milliseconds."""

import csv
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from automl import cluster
from automl.study import Job, Kind, State
from tests.conftest import ENDLESS, tiny_job_at
from tests.scripted_source import Jobs, all_gone, terminate_when

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("connection"), pytest.mark.timeout(1800)]


def jobs_at(folder: Path, data: Path, *, epochs: list[int]) -> list[Job]:
    """Return a job for each number of epochs."""
    jobs = [tiny_job_at(folder / str(number), data, epochs=n) for number, n in enumerate(epochs)]
    return [replace(job, number=number) for number, job in enumerate(jobs)]


def the_only_place() -> cluster.Slots:
    """Return slots of which one takes all CPUs there are: two trials can never run at once."""
    return cluster.Slots(gpus=0, cpus=ray.cluster_resources()["CPU"], concurrent=2)


def epochs_kept(job: Job) -> list[int]:
    with (job.folder / "curves.csv").open(newline="") as file:
        return [int(row["epoch"]) for row in csv.DictReader(file)]


def test_paused_trials_leave_the_only_place_and_go_on_in_the_order_of_the_source(tmp_path: Path, data: Path) -> None:
    jobs = jobs_at(tmp_path, data, epochs=[2, 2, 2])
    source = Jobs(jobs, concurrent=1)
    source.pause_at = {(0, 1), (1, 1), (2, 1)}
    source.resume = deque([2, 0])
    source.patience = 3

    cluster.run(source, the_only_place())

    assert source.story == [(0, 1), (1, 1), (2, 1), (2, 2), (0, 2)]
    assert {number: ending.state for number, ending in source.endings.items()} == {
        0: State.COMPLETED,
        2: State.COMPLETED,
    }
    for number in (0, 2):
        first, again, *_ = source.heard[number]
        assert again == first, "the first epoch was trained again instead of told again"
        assert "checkpoint: resumes after epoch 1" in (jobs[number].folder / "log.txt").read_text()
    assert [epochs_kept(job) for job in jobs] == [[1, 2], [1], [1, 2]]
    assert all_gone()


def test_a_worker_lost_at_the_moment_of_the_pause_costs_the_trial_nothing(tmp_path: Path, data: Path) -> None:
    source = Jobs(jobs_at(tmp_path, data, epochs=[2]), concurrent=1)
    source.pause_at = {(0, 1)}
    source.kill_at = {(0, 1)}
    source.resume = deque([0])
    source.patience = 9

    cluster.run(source, the_only_place())

    assert source.losses == []
    assert source.story == [(0, 1), (0, 2)]
    assert source.endings[0].state is State.COMPLETED, source.endings[0].cause


def test_a_worker_killed_after_a_pause_is_replaced_and_the_trial_goes_on(tmp_path: Path, data: Path) -> None:
    source = Jobs(jobs_at(tmp_path, data, epochs=[3]), concurrent=1)
    source.pause_at = {(0, 1)}
    source.resume = deque([0])
    source.kill_at = {(0, 2)}

    source.retries = 1
    cluster.run(source, the_only_place())

    assert [number for number, _ in source.losses] == [0]
    assert source.story == [(0, 1), (0, 2), (0, 3)]
    assert source.endings[0].state is State.COMPLETED, source.endings[0].cause


def test_workers_lost_before_and_after_a_pause_count_together(tmp_path: Path, data: Path) -> None:
    source = Jobs(jobs_at(tmp_path, data, epochs=[4]), concurrent=1)
    source.pause_at = {(0, 2)}
    source.resume = deque([0])
    source.kill_at = {(0, 1), (0, 3)}

    source.retries = 1
    cluster.run(source, the_only_place())

    assert [loss.kind for _, loss in source.losses] == [Kind.WORKER, Kind.WORKER]
    assert source.story == [(0, 1), (0, 2), (0, 3)]
    assert source.endings[0].state is State.FAILED


def test_an_orderly_stop_with_paused_trials_leaves_no_process(tmp_path: Path, data: Path) -> None:
    jobs = jobs_at(tmp_path, data, epochs=[ENDLESS, ENDLESS])
    source = Jobs(jobs, concurrent=1)
    source.pause_at = {(0, 1)}
    source.resume = deque([0])
    killer = threading.Thread(target=terminate_when, args=(lambda: 1 in source.heard,))
    killer.start()

    source.retries = 3
    cluster.run(source, the_only_place())
    killer.join()

    assert source.stopping
    assert not source.endings
    assert all_gone()
    assert [(job.folder / "last.pt").exists() for job in jobs] == [True, True]


def test_a_failure_of_the_source_ends_the_run_while_all_trials_are_paused(tmp_path: Path, data: Path) -> None:
    class Full(Jobs):
        def next_job(self) -> Job | None:
            if self.story:
                raise OSError(28, "No space left on device", str(tmp_path))
            return super().next_job()

    source = Full(jobs_at(tmp_path, data, epochs=[ENDLESS]), concurrent=1)
    source.pause_at = {(0, 1)}
    source.resume = deque([0])

    source.retries = 3
    with pytest.raises(OSError, match="No space left on device"):
        cluster.run(source, the_only_place())
    assert all_gone()
