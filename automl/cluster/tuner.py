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
from typing import Any

from ray import tune

from automl import scratch, trial
from automl.cluster.connection import heard_signals
from automl.cluster.guarded import guard
from automl.cluster.nodes import Slots
from automl.cluster.scheduler import MESSAGE, Callback, Scheduler, Searcher, Stop, name
from automl.cluster.source import Handle, JobSource
from automl.records import Job, Measurement


def run(source: JobSource, resources: Slots, *, retries: int) -> None:
    """Run all jobs that the source gives, until it is over or stopping.

    A trial whose worker or node is lost goes on from its checkpoint, up to `retries` times, pauses between them or
    not. Its own failures are no concern of Ray's: they arrive as an ending. A paused trial holds no process and no
    resource, and is none of Ray's concern after the run.
    """
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(resources.concurrent)
    handle = Handle(source)
    with scratch.folder() as records, _orderly_stop(source):
        tune.Tuner(
            tune.with_resources(_train, {"cpu": resources.cpus, "gpu": resources.gpus}),
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
                failure_config=tune.FailureConfig(max_failures=retries),
                callbacks=[Callback(handle)],
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
    guard(job.folder)
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
