"""Process of one training: a fork of the fork server, which runs one job and sends its events to the worker of Ray.

Does not import Ray. The worker (`cluster/launcher.py`) is at the other end of a socket; each line is JSON:

1. this process sends its id;
2. the worker sends an `Order`, after it has started the reaper of this process;
3. this process sends messages (`measurement`, `trouble`, `ending`), each answered by an empty line. No answer means
   that the trial is paused or stopped, or that its worker is gone: the process ends.

A last message `over` says that the function returned. A process that ends without it was lost.
"""

import json
import os
import random
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np

from automl.storage import outage, streams
from automl.storage.layout import TRIAL_LOG
from automl.study import Job, Measurement
from automl.trainers import trainer_of
from automl.trials import heartbeat, lease
from automl.trials.order import FAILED, OVER, Order


class Worker:
    """The worker at the other end of the connection, for one thread at a time."""

    def __init__(self, connection: socket.socket) -> None:
        """Use this connection."""
        self._file: TextIO = connection.makefile("rw", encoding="utf-8")
        self._lock = threading.Lock()

    def order(self) -> Order:
        """Send this process's id and return the order; end the process if none comes."""
        return Order(**json.loads(self._exchange(str(os.getpid()))))

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message and wait for its answer; end the process if none comes."""
        self._exchange(json.dumps(message))

    def last(self, message: Mapping[str, Any]) -> None:
        """Send a message that is not answered."""
        self._file.write(json.dumps(message) + "\n")
        self._file.flush()

    def _exchange(self, line: str) -> str:
        with self._lock:
            try:
                self._file.write(f"{line}\n")
                self._file.flush()
                answer = self._file.readline()
            except OSError:
                answer = ""
        if not answer:
            os._exit(0)
        return answer


def main(connection: socket.socket, changed: Mapping[str, tuple[str | None, str | None]]) -> NoReturn:
    """Run one order, then end without exit handlers: those belong to the fork server.

    `changed` maps environment variables to their values before and after the imports of the fork server.
    """
    code = 1
    try:
        worker = Worker(connection)
        _run(worker, worker.order(), changed)
        code = 0
    finally:
        if error := sys.exception():
            traceback.print_exception(error)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _run(worker: Worker, order: Order, changed: Mapping[str, tuple[str | None, str | None]]) -> None:
    job = Job.from_dict(order.job)
    _take_over(order, changed)
    print_to(job.folder / TRIAL_LOG)
    _seed()
    trainer_of(job).set_threads(job.threads)
    node = socket.gethostname()

    def report(measurement: Measurement) -> None:
        worker.send({"measurement": measurement.to_dict(), "node": node})

    def say(text: str) -> None:
        """Report to the driver as well: the log is on the failing storage."""
        outage.print_line(text)
        worker.send({"trouble": text, "node": node})

    try:
        # Retries have no stop condition on a worker: its process is ended instead.
        with outage.retries_enabled(outage.RetrySettings(say)), heartbeat.heartbeats(job.folder, job.attempt):
            ending = _function(order.run)(job, report)
        worker.send({"ending": ending.to_dict(), "node": node})
    except lease.Superseded as superseded:
        sys.stdout.write(f"{superseded}\n")
    except OSError as error:
        traceback.print_exception(error)
        worker.last({FAILED: [error.errno, error.strerror or str(error), str(error.filename or "")]})
        return
    worker.last({OVER: True})


def _function(name: str) -> Any:  # noqa: ANN401  (a function of a job and a `Report`)
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def _take_over(order: Order, changed: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Take environment and module path of the worker; keep what imports have set where the worker began alike."""
    environment = dict(order.environment)
    for name, (before, after) in changed.items():
        if environment.get(name) == before:
            environment.pop(name, None)
            environment |= {} if after is None else {name: after}
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = order.path


def _seed() -> None:
    """Give this process random numbers of its own: all forks begin with those of the fork server."""
    random.seed()
    np.random.seed()
    if torch := sys.modules.get("torch"):
        torch.manual_seed(int.from_bytes(os.urandom(7), "little"))


def print_to(path: Path) -> None:
    """Redirect standard output and error to a log file."""
    with outage.retries_enabled(outage.RetrySettings()):
        file = outage.retry_on_outage(path.parent, partial(_opened, path))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    streams.clean_prints()


def _opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
