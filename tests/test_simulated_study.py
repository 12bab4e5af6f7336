"""The simulation treats a paused trial as Ray does."""

from collections import deque
from dataclasses import replace
from pathlib import Path

from tests.conftest import job_at
from tests.scripted_source import Jobs
from tests.simulated_study import Clock, simulate


def source_at(folder: Path, *, jobs: int, concurrent: int) -> Jobs:
    made = [replace(job_at(folder / str(n), folder, epochs=4), number=n) for n in range(jobs)]
    return Jobs(made, concurrent=concurrent)


def test_a_paused_job_leaves_its_place_and_goes_on_behind_its_last_epoch(tmp_path: Path) -> None:
    source = source_at(tmp_path, jobs=3, concurrent=1)
    source.pause_at = {(0, 2), (1, 1), (2, 2)}
    source.resume = deque([2, 0])
    clock = Clock()

    handed = simulate(source, lambda _job, epoch: epoch / 10, clock=clock, seconds=5.0)

    assert [job.number for job in handed] == [0, 1, 2, 2, 0]
    assert source.story == [(0, 1), (0, 2), (1, 1), (2, 1), (2, 2), (2, 3), (2, 4), (0, 3), (0, 4)]
    assert [m.epoch for m in source.heard[2]] == [1, 2, 1, 2, 3, 4], "known epochs are told again, as by a real trial"
    assert set(source.endings) == {0, 2}
    assert clock.now == 9 * 5.0, "telling known epochs again costs nothing"


def test_a_free_place_is_taken_at_the_moment_of_a_pause(tmp_path: Path) -> None:
    source = source_at(tmp_path, jobs=3, concurrent=2)
    source.pause_at = {(0, 1)}
    source.resume = deque([0])
    clock = Clock()

    simulate(source, lambda _job, epoch: epoch / 10, clock=clock, seconds=1.0)

    assert source.story[:4] == [(0, 1), (1, 1), (1, 2), (2, 1)]
    assert len(source.endings) == 3
    assert clock.now == 7.0, "twelve epochs on two places, the last three alone"


def test_a_job_that_pauses_again_goes_on_again(tmp_path: Path) -> None:
    source = source_at(tmp_path, jobs=1, concurrent=1)
    source.pause_at = {(0, 1), (0, 3)}
    source.resume = deque([0, 0])

    simulate(source, lambda _job, epoch: epoch / 10, clock=Clock())

    assert source.story == [(0, 1), (0, 2), (0, 3), (0, 4)]
    assert set(source.endings) == {0}
