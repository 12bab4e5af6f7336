"""Ray Tune hooks: searcher, scheduler, callback and stopper that delegate to the job source."""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ray import tune
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher as RaySearcher
from ray.tune.stopper import Stopper

from automl.cluster import failures, kept_actors
from automl.cluster.handle import Handle
from automl.cluster.training import MESSAGE
from automl.study import Answer, Ending, Kind, Loss, Measurement

IDLE_SECONDS: Final = 0.1
"""Poll interval while nothing runs: Tune's loop has no pause of its own."""


class Searcher(RaySearcher):
    """Passes the source's jobs to Ray Tune: a new number as a new trial, that of a paused trial to the scheduler."""

    def __init__(self, handle: Handle) -> None:
        """Use this source."""
        super().__init__(metric=None, mode=None)
        self._handle = handle

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # noqa: ARG002
        """Return the next new job; None if there is none."""
        source = self._handle()
        if self._handle.stopping or source.over:
            return str(RaySearcher.FINISHED)
        if self._handle.waiting.holds:
            return None
        with self._handle.kept():
            while job := source.next_job():
                if not self._handle.paused.queue(job):
                    return {"job": job.to_dict()}
        return None

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:  # noqa: FBT001, FBT002
        """No-op: the scheduler handles it."""

    def save(self, checkpoint_path: str) -> None:
        """No-op: the state is in the journal."""

    def restore(self, checkpoint_path: str) -> None:
        """No-op."""


class Scheduler(FIFOScheduler):
    """Passes each message of a trial to the source, and returns its answer; only the source resumes a paused trial."""

    def __init__(self, handle: Handle) -> None:
        """Use this source."""
        super().__init__()
        self._handle = handle
        self._idle = kept_actors.IdleActors()
        self._releases = kept_actors.Releases()

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: Mapping[str, Any]) -> str:  # noqa: ANN401
        """Pass a message to the source and return its decision."""
        answer = self._answer(trial, json.loads(result[MESSAGE]))
        if answer is not Answer.CONTINUE:
            self._releases.release(tune_controller, trial)
        if answer is Answer.PAUSE:
            # If PAUSE were returned as the decision, Tune would first request a checkpoint from the worker: if the
            # worker were lost just then, Tune would end the trial, while the source counts it as paused.
            tune_controller.pause_trial(trial, should_checkpoint=False)
            self._handle.paused.add(number(trial), trial)
            return str(TrialScheduler.NOOP)
        return str(TrialScheduler.CONTINUE if answer is Answer.CONTINUE else TrialScheduler.STOP)

    def choose_trial_to_run(self, tune_controller: Any) -> RayTrial | None:  # noqa: ANN401
        """Return a paused trial to resume; pending ones start without being chosen.

        Trials still paused when the source is over would block the end of Tune, so they are removed from its list.
        """
        self._idle.look(tune_controller)
        self._end_hung_trials(tune_controller)
        self._end_canceled_trials(tune_controller)
        self._handle.waiting.look(_pending(tune_controller.get_live_trials()))
        if self._handle().over:
            for trial in self._handle.paused.empty():
                tune_controller.stop_trial(trial)
        chosen = self._handle.paused.next()
        if chosen is None and not any(_busy(trial) for trial in tune_controller.get_live_trials()):
            time.sleep(IDLE_SECONDS)
        return chosen

    def _end_hung_trials(self, tune_controller: Any) -> None:  # noqa: ANN401
        """Stop trials that hang. Their workers may not respond, so Ray ends the processes."""
        with self._handle.kept():
            if not (hung := self._handle().hung()):
                return
            for trial in [one for one in tune_controller.get_live_trials() if one.status == RayTrial.RUNNING]:
                if number(trial) in hung:
                    _kill(tune_controller, trial)
                    self._handle().lost(number(trial), Loss(Kind.HUNG, hung[number(trial)]))

    def _end_canceled_trials(self, tune_controller: Any) -> None:  # noqa: ANN401
        """End the workers of trials that a user canceled."""
        if not (numbers := self._handle().canceled):
            return
        for trial in [one for one in tune_controller.get_live_trials() if number(one) in numbers and _busy(one)]:
            _kill(tune_controller, trial)

    def _answer(self, trial: RayTrial, message: Mapping[str, Any]) -> Answer:
        source, answer = self._handle(), Answer.CONTINUE
        with self._handle.kept():
            if "trouble" in message:
                source.report_wait(number(trial), f"on {message['node']}: {message['trouble']}")
            elif "ending" in message:
                source.ended(number(trial), Ending.from_dict(message["ending"]))
            else:
                measurement = Measurement.from_dict(_shared(message["measurement"]))
                answer = source.measured(number(trial), measurement, node=message["node"])
        return answer


class Callback(tune.Callback):
    """Passes ticks and lost workers to the source."""

    def __init__(self, handle: Handle) -> None:
        """Report to this source."""
        self._handle = handle

    def on_step_end(self, iteration: int, trials: list[RayTrial], **info: Any) -> None:  # noqa: ANN401, ARG002
        """Run the source's periodic work."""
        with self._handle.kept():
            self._handle.resize()
            self._handle().tick()

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:  # noqa: ANN401, ARG002
        """Report a lost worker; the source decides whether to retry the trial."""
        with self._handle.kept():
            self._handle().lost(number(trial), failures.loss_of(failures.error_of(trial), folder_of(trial)))


class Stop(Stopper):
    """Stops all trials when the source is stopping or has failed."""

    def __init__(self, handle: Handle) -> None:
        """Use this source."""
        self._handle = handle

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Never stop a trial by its results: the scheduler does."""
        return False

    def stop_all(self) -> bool:
        """Return True if everything must stop."""
        return self._handle.stopping


def name(trial: RayTrial) -> str:
    """Return Ray's name of a trial; each attempt after a loss is a new trial to Ray."""
    return f"trial-{number(trial):04d}-{trial.config['job']['attempt']}"


def folder_of(trial: RayTrial) -> Path:
    """Return the folder of the job that a trial of Ray's runs."""
    return Path(trial.config["job"]["folder"])


def number(trial: RayTrial) -> int:
    """Return the number of the job that a trial of Ray's runs."""
    return int(trial.config["job"]["number"])


def _shared(measurement: Mapping[str, Any]) -> dict[str, Any]:
    """Return a measurement whose metrics are named by one string each: each message has its own copies of the names."""
    return {**measurement, "metrics": {sys.intern(tag): value for tag, value in measurement["metrics"].items()}}


def _pending(trials: Iterable[RayTrial]) -> dict[int, tuple[float, float]]:
    """Return CPU cores and GPUs of the jobs for which Ray has no place yet."""
    waiting = [trial.config["job"] for trial in trials if trial.status == RayTrial.PENDING]
    return {int(job["number"]): (float(job.get("cpus") or 1.0), float(job["gpus"])) for job in waiting}


def _kill(tune_controller: Any, trial: RayTrial) -> None:  # noqa: ANN401
    """Kill the worker of a trial, which may not respond, and end the trial."""
    failures.end(trial.temporary_state.ray_actor)
    kept_actors.never_keep(tune_controller, trial)
    tune_controller.stop_trial(trial)


def _busy(trial: RayTrial) -> bool:
    return trial.status in {RayTrial.PENDING, RayTrial.RUNNING}
