"""What Ray Tune is told, by the classes it calls and without a running Ray."""

import copy
import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray.tune.experiment import Trial as RayTrial

from automl.cluster import tune_hooks
from automl.cluster.handle import Handle
from automl.cluster.training import MESSAGE
from automl.cluster.tune_hooks import Scheduler, Searcher
from automl.study import Answer, Job
from automl.study.errors import StudyError
from tests.builders import measurement
from tests.conftest import job_at
from tests.scripted_source import Jobs


class Trial:
    """As much of a trial of Ray's as is asked of it."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.status = RayTrial.RUNNING
        self.released = 0
        self.temporary_state = SimpleNamespace(ray_actor=SimpleNamespace(release=SimpleNamespace(remote=self._release)))

    def _release(self) -> None:
        self.released += 1

    def set_config(self, config: Mapping[str, Any]) -> None:
        self.config = config


class Tune:
    """Stands where Tune's controller stands: asks the searcher and the scheduler in its order, one step at a time."""

    def __init__(self, source: Jobs) -> None:
        self.handle = Handle(source)
        self.searcher, self.scheduler = Searcher(self.handle), Scheduler(self.handle)
        self.trials: list[Trial] = []
        self.finished = False
        self._tune_controller = SimpleNamespace(_actor_cache=SimpleNamespace(num_cached_objects=0))

    def step(self) -> Trial | None:
        """Ask for a new trial, then for a paused one to go on, and start both."""
        answer = None if self.finished else self.searcher.suggest("id")
        self.finished = self.finished or answer == Searcher.FINISHED
        if isinstance(answer, dict):
            self.trials.append(Trial(answer))
        chosen = self.scheduler.choose_trial_to_run(self)
        assert chosen is self.scheduler.choose_trial_to_run(self), "the choice must not depend on being asked twice"
        if chosen:
            assert chosen.status == RayTrial.PAUSED
            chosen.status = RayTrial.RUNNING
        return chosen

    def report(self, number: int, epoch: int) -> str:
        message = {"measurement": measurement(epoch, 0.5).to_dict(), "node": "node"}
        return self.scheduler.on_trial_result(self, self.trials[number], {MESSAGE: json.dumps(message)})

    def pause_trial(self, trial: Trial, *, should_checkpoint: bool) -> None:
        assert not should_checkpoint
        trial.status = RayTrial.PAUSED

    def stop_trial(self, trial: Trial) -> None:
        trial.status = RayTrial.TERMINATED

    def get_live_trials(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.status != RayTrial.TERMINATED]


@pytest.fixture(autouse=True)
def no_breath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune_hooks, "IDLE_SECONDS", 0.0)
    monkeypatch.setattr(ray, "get", lambda found, timeout: (found, timeout))


@pytest.fixture
def source(tmp_path: Path) -> Jobs:
    """Four jobs for two places, each to be paused at epoch 1."""
    made = Jobs([replace(job_at(tmp_path / str(n), tmp_path), number=n) for n in range(4)])
    made.pause_at = {(number, 1) for number in range(4)}
    return made


def all_paused(source: Jobs) -> Tune:
    tune = Tune(source)
    for number in range(4):
        assert tune.step() is None
        assert tune.report(number, 1) == "NOOP"
    assert [trial.status for trial in tune.trials] == [RayTrial.PAUSED] * 4
    return tune


@pytest.mark.parametrize(
    ("answer", "told", "status"),
    [
        (Answer.CONTINUE, "CONTINUE", RayTrial.RUNNING),
        (Answer.PAUSE, "NOOP", RayTrial.PAUSED),
        (Answer.STOP, "STOP", RayTrial.RUNNING),
    ],
)
def test_each_answer_of_the_source_reaches_ray(
    source: Jobs, monkeypatch: pytest.MonkeyPatch, answer: Answer, told: str, status: str
) -> None:
    monkeypatch.setattr(source, "_answer", lambda _number, _epoch: answer)
    tune = Tune(source)
    tune.step()

    assert tune.report(0, 1) == told
    assert tune.trials[0].status == status
    assert tune.trials[0].released == (answer is not Answer.CONTINUE), "else a paused trial would keep its GPU"


def test_what_keeps_a_worker_waiting_reaches_the_source_and_stops_nothing(source: Jobs) -> None:
    tune = Tune(source)
    tune.step()
    message = json.dumps({"trouble": "storage: /s: No space left on device", "node": "here"})
    assert tune.scheduler.on_trial_result(tune, tune.trials[0], {MESSAGE: message}) == "CONTINUE"
    assert source.troubles == [(0, "on here: storage: /s: No space left on device")]


def test_paused_trials_go_on_one_by_one_in_the_order_of_the_source(source: Jobs) -> None:
    source.resume.extend([3, 0, 2])
    tune = all_paused(source)

    assert [tune.step(), tune.step()] == [tune.trials[3], tune.trials[0]]
    assert tune.step() is None, "both places are taken"
    source.live.remove(3)
    assert tune.step() is tune.trials[2]
    assert len(tune.trials) == 4


def test_a_paused_trial_that_the_source_does_not_name_stays_paused(source: Jobs) -> None:
    source.resume.append(0)
    tune = all_paused(source)
    source.patience = 5

    assert [tune.step() for _ in range(5)] == [None] * 5
    assert {trial.status for trial in tune.trials} == {RayTrial.PAUSED}
    assert tune.step() is tune.trials[0]


def test_a_trial_that_pauses_twice_goes_on_twice(source: Jobs) -> None:
    source.resume.extend([1, 1])
    source.concurrent = 1
    tune = all_paused(source)

    tune.step()
    source.pause_at = {(1, 2)}
    assert tune.step() is None
    assert tune.report(1, 2) == "NOOP"
    assert tune.step() is tune.trials[1]


def test_a_trial_goes_on_with_the_job_as_it_is_now(source: Jobs) -> None:
    source.resume.append(2)
    tune = all_paused(source)
    source.all[2] = replace(source.all[2], epochs=9)

    tune.step()

    assert tune.trials[2].config["job"]["epochs"] == 9


def test_a_number_that_this_run_did_not_pause_becomes_a_new_trial(source: Jobs) -> None:
    tune = Tune(source)
    source.jobs[0] = replace(source.jobs[0], number=17)

    assert tune.step() is None
    assert tune.trials[0].config["job"]["number"] == 17


def test_new_jobs_are_asked_for_behind_paused_ones(source: Jobs) -> None:
    class Eager(Jobs):
        def next_job(self) -> Job | None:
            if not self.resume:
                return super().next_job()
            self.jobs.appendleft(self.all[self.resume.popleft()])
            return super().next_job()

    mixed = Eager(list(source.jobs))
    mixed.pause_at = {(0, 1)}
    tune = Tune(mixed)
    tune.step()
    tune.report(0, 1)
    mixed.resume.append(0)

    assert tune.step() is tune.trials[0]
    assert len(tune.trials) == 2


def test_paused_trials_are_released_once_the_source_is_over(source: Jobs) -> None:
    source.resume.extend([2, 1])
    tune = all_paused(source)
    assert tune.searcher.suggest("id") is None
    assert tune.step() is tune.trials[2]
    assert tune.step() is tune.trials[1]
    assert not source.over

    source.live.clear()

    assert tune.step() is None
    assert [trial.status for trial in tune.trials] == ["TERMINATED", "RUNNING", "RUNNING", "TERMINATED"]
    assert tune.finished


def test_waiting_for_the_source_with_nothing_running_does_not_spin(
    source: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.resume.append(0)
    tune = all_paused(source)
    slept: list[float] = []
    monkeypatch.setattr("automl.cluster.tune_hooks.time.sleep", slept.append)

    assert tune.scheduler.choose_trial_to_run(tune) is None
    assert len(slept) == 1
    tune.trials[1].status = RayTrial.RUNNING
    assert tune.scheduler.choose_trial_to_run(tune) is None
    assert len(slept) == 1


def test_a_handle_is_shared_when_copied_and_empty_when_pickled(source: Jobs) -> None:
    handle = Handle(source)

    assert copy.deepcopy(handle) is handle
    with pytest.raises(StudyError, match="must not be restored from Ray's own files"):
        pickle.loads(pickle.dumps(handle))()
