"""Launcher: runs the jobs of a source through Ray Tune and passes reports to the source."""

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import Any, Final

import ray
from ray import tune
from ray.tune.trainable import wrap_function

from automl.cluster import capacity
from automl.cluster.connection import handling_signals
from automl.cluster.guard import guard
from automl.cluster.handle import Handle
from automl.cluster.resources import Slots
from automl.cluster.tune_hooks import MESSAGE, Callback, Scheduler, Searcher, Stop, name, title
from automl.storage import outage, scratch
from automl.study import Job
from automl.study.text import GB
from automl.trainers.registration import module_of
from automl.trials import fork_server
from automl.trials.source import JobSource
from automl.trials.training_process import FAILED, OVER, Order

RUN: Final = "automl.trials.worker:run"
"""The function that runs a job, in the process of its training."""
MOST_PENDING: Final = 10_000
"""Trials that may wait for resources in Ray; the source limits them to fewer."""


def run(source: JobSource, resources: Slots) -> None:
    """Run all jobs of the source, until it is over or stopping.

    Ray Tune retries nothing: the source gets each loss of a worker and queues the trial again. A trial's own failure
    arrives as an ending, not as a Ray error. A paused trial has no process and no resources.
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(MOST_PENDING)
    handle = Handle(source)
    with (
        scratch.folder() as records,
        _graceful_stop(source),
        outage.retries_end_when(lambda: source.stopping),
        capacity.watched(resources) as watch,
    ):
        handle.places, handle.fitted = (lambda: watch.places), resources.concurrent
        tune.Tuner(
            _named(tune.with_resources(_train, _demands(resources))),
            tune_config=tune.TuneConfig(
                search_alg=Searcher(handle),
                scheduler=Scheduler(handle),
                num_samples=-1,
                trial_name_creator=name,
                trial_dirname_creator=name,
            ),
            run_config=tune.RunConfig(
                name="jobs",
                storage_path=str(records),
                stop=Stop(handle),
                callbacks=[Callback(handle)],
                verbose=0,
            ),
        ).fit()
    if handle.failure:
        raise handle.failure


def _demands(usual: Slots) -> Callable[[Mapping[str, Any]], tune.PlacementGroupFactory]:
    """Return the function that gives Ray the resources of a job, by what the job names."""

    def wanted(config: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        job = Job.from_dict(config["job"])
        bundle = {"CPU": job.cpus or usual.cpus, "GPU": job.gpus, "memory": round(job.memory_gb * GB)}
        return tune.PlacementGroupFactory([{name: amount for name, amount in bundle.items() if amount}])

    return wanted


def _named(train: Callable[[Mapping[str, Any]], None]) -> Any:  # noqa: ANN401  (Ray has no types)
    """Return Ray Tune's class for a function; the name of its actors in Ray's dashboard is that of the trial.

    Ray shows the `repr` that an actor has after its constructor.
    """

    def shown(actor: Any) -> str:  # noqa: ANN401
        return title(Job.from_dict(actor.config["job"]))

    return type("Training", (wrap_function(train),), {"__repr__": shown})


def _train(config: Mapping[str, Any]) -> None:
    """Run one job in a process of its own, and pass its messages to the driver.

    This process, a worker of Ray, trains nothing. It ends with the training where that is lost, by the same signal as a
    worker that is killed, and the reaper ends the training with it.
    """
    job = Job.from_dict(config["job"])
    os.environ["YOLO_VERBOSE"] = "true"
    with outage.retries_enabled(outage.RetrySettings()):
        outage.retry_on_outage(job.folder, lambda: job.folder.mkdir(parents=True, exist_ok=True))
    owner = fork_server.Owner(os.getppid(), ray.get_runtime_context().get_job_id(), module_of(job.trainer))
    with fork_server.connect(owner) as connection, closing(_messages(job, connection)) as messages:
        for line in messages:
            message = json.loads(line)
            if OVER in message:
                return
            if FAILED in message:
                raise OSError(*message[FAILED])
            tune.report({MESSAGE: line})
    os.kill(os.getpid(), signal.SIGKILL)


def _messages(job: Job, training: socket.socket) -> Generator[str, None, None]:
    """Start a job in the process at the other end, and yield its messages until it ends, each answered after its use.

    A process that is killed resets its connection where an answer was not read yet. Answers are written without a
    buffer, which would be written again when it is closed.
    """
    with suppress(ConnectionError), training.makefile("r", encoding="utf-8") as lines:
        if process := lines.readline():
            guard(job.folder, process=int(process))
            training.sendall(Order(job.to_dict(), RUN, dict(os.environ), sys.path).to_line().encode())
        for line in lines:
            yield line
            training.sendall(b"\n")


@contextmanager
def _graceful_stop(source: JobSource) -> Iterator[None]:
    """Convert Ctrl-C, SIGTERM and SIGHUP to a graceful stop; a second one ends the process at once.

    Ray installs its own SIGTERM handler, which would end the process without a message. A signal that is ignored, as
    under nohup, stays ignored.
    """

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if source.stopping:
            os._exit(128 + number)
        source.stop(signal.Signals(number).name)

    with handling_signals(stop):
        yield
