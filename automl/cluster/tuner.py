"""Hands jobs to Ray Tune and passes what trials report to the source that decides."""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol

from ray import tune
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from automl import scratch, trial
from automl.cluster.connection import heard_signals
from automl.cluster.nodes import Slots
from automl.errors import AutomlError, StudyError
from automl.records import Answer, Ending, Job, Measurement

MESSAGE: Final = "message"


class JobSource(Protocol):
    """What decides: the study, or a list of re-trainings."""

    @property
    def over(self) -> bool:
        """Tell whether no further job will come."""
        ...

    @property
    def stopping(self) -> bool:
        """Tell whether everything shall stop now, to be resumed later."""
        ...

    def next_job(self) -> Job | None:
        """Return the next job, None while there is none to start."""
        ...

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        """Take in what an epoch gave, and say what the trial does next."""
        ...

    def ended(self, number: int, ending: Ending) -> None:
        """Take in how a trial ended by itself or by the loss of its worker."""
        ...

    def retried(self, number: int, cause: str) -> None:
        """Take in that a trial lost its worker and starts again."""
        ...

    def stop(self, why: str) -> None:
        """Ask for an orderly stop."""
        ...

    def tick(self) -> None:
        """Do what has to be done now and then."""
        ...


def run(source: JobSource, resources: Slots, *, retries: int) -> None:
    """Run all jobs that the source gives, until it is over or stopping.

    A trial whose worker or node is lost goes on from its checkpoint, up to `retries` times. Its own failures are no
    concern of Ray's: they arrive as an ending.
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(resources.concurrent)
    handle = _Handle(source)
    with scratch.folder() as records, _orderly_stop(source):
        tune.Tuner(
            tune.with_resources(_train, {"cpu": resources.cpus, "gpu": resources.gpus}),
            tune_config=tune.TuneConfig(
                search_alg=_Searcher(handle),
                scheduler=_Scheduler(handle),
                num_samples=-1,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                name="jobs",
                storage_path=str(records),
                stop=_Stop(handle),
                failure_config=tune.FailureConfig(max_failures=retries),
                callbacks=[_Callback(handle)],
                verbose=0,
            ),
        ).fit()
    if handle.failure:
        raise handle.failure


def _train(config: Mapping[str, Any]) -> None:
    """Run one job on a worker; every line it prints goes to the job's own log."""
    job = Job.from_dict(config["job"])
    os.environ["YOLO_VERBOSE"] = "true"
    _print_to(job.folder / "log.txt")
    node = socket.gethostname()

    def report(measurement: Measurement) -> None:
        tune.report({MESSAGE: json.dumps({"measurement": measurement.to_dict(), "node": node})})

    ending = trial.run(job, report)
    tune.report({MESSAGE: json.dumps({"ending": ending.to_dict(), "node": node})})


def _print_to(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


class _Handle:
    """Carries the source past Ray Tune's copying and pickling, which no open journal would survive."""

    def __init__(self, source: JobSource | None) -> None:
        self.source = source
        self.failure: AutomlError | OSError | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Handle":
        return self

    def __reduce__(self) -> tuple[type["_Handle"], tuple[None]]:
        return (_Handle, (None,))

    def __call__(self) -> JobSource:
        if self.source is None:
            raise StudyError("a job source must not be restored from Ray's own files; use `automl resume`")
        return self.source

    @property
    def stopping(self) -> bool:
        """Tell whether everything shall stop, asked for or after a failure of the source."""
        return self().stopping or self.failure is not None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep a failure of the source (a full disk, say) for the caller of `run`; Ray Tune would only wrap it."""
        try:
            yield
        except (AutomlError, OSError) as error:
            self.failure = self.failure or error


class _Searcher(Searcher):
    """Hands the source's jobs to Ray Tune."""

    def __init__(self, handle: _Handle) -> None:
        super().__init__(metric=None, mode=None)
        self._handle = handle

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # noqa: ARG002
        source, job = self._handle(), None
        if source.over or self._handle.stopping:
            return str(Searcher.FINISHED)
        with self._handle.kept():
            job = source.next_job()
        return {"job": job.to_dict()} if job else None

    def on_trial_complete(self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False) -> None:  # noqa: FBT001, FBT002
        """Nothing to learn: the scheduler heard of it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the journal is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""


class _Scheduler(FIFOScheduler):
    """Passes every message of a trial on, and the source's answer back."""

    def __init__(self, handle: _Handle) -> None:
        super().__init__()
        self._handle = handle

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: Mapping[str, Any]) -> str:  # noqa: ANN401, ARG002
        source, answer = self._handle(), Answer.GO_ON
        message = json.loads(result[MESSAGE])
        with self._handle.kept():
            if "ending" in message:
                source.ended(_number(trial), Ending.from_dict(message["ending"]))
            else:
                measurement = Measurement.from_dict(message["measurement"])
                answer = source.measured(_number(trial), measurement, node=message["node"])
        return str(TrialScheduler.CONTINUE if answer is Answer.GO_ON else TrialScheduler.STOP)


class _Callback(tune.Callback):
    def __init__(self, handle: _Handle) -> None:
        self._handle = handle

    def on_step_end(self, iteration: int, trials: list[RayTrial], **info: Any) -> None:  # noqa: ANN401, ARG002
        with self._handle.kept():
            self._handle().tick()

    def on_trial_recover(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:  # noqa: ANN401, ARG002
        with self._handle.kept():
            self._handle().retried(_number(trial), _lost(trial))

    def on_trial_error(self, iteration: int, trials: list[RayTrial], trial: RayTrial, **info: Any) -> None:  # noqa: ANN401, ARG002
        with self._handle.kept():
            self._handle().ended(_number(trial), Ending(cause=_lost(trial)))


class _Stop(Stopper):
    def __init__(self, handle: _Handle) -> None:
        self._handle = handle

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:  # noqa: ARG002
        return False

    def stop_all(self) -> bool:
        return self._handle.stopping


def _name(trial: RayTrial) -> str:
    return f"trial-{_number(trial):04d}"


def _number(trial: RayTrial) -> int:
    return int(trial.config["job"]["number"])


def _lost(trial: RayTrial) -> str:
    error = trial.get_error()
    first = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
    return f"worker lost: {type(error).__name__}: {first}"


@contextmanager
def _orderly_stop(source: JobSource) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and a lost terminal into an orderly stop; a second one ends the process at once.

    Ray puts its own SIGTERM handler in place, which would end the process without a word. A signal that is ignored,
    as under nohup, stays ignored.
    """

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if source.stopping:
            os._exit(128 + number)
        source.stop(signal.Signals(number).name)

    before = {number: signal.signal(number, ask) for number in heard_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
