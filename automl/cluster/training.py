"""Actor of Ray that runs jobs, one after another: starts the process of each, and returns one message of it a call.

A worker of Ray imports this module where an actor starts. It therefore does without Ray Tune, which imports pandas,
Arrow and Ray Data: 1.5 s of CPU time.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing, suppress
from inspect import getmembers, isfunction
from typing import TYPE_CHECKING, Any, Final, NoReturn

import ray
from ray._private import worker as ray_worker

from automl.cluster import node_server, reaper
from automl.cluster.guard import guard
from automl.storage import outage
from automl.storage.layout import CONFIRM
from automl.study import Job
from automl.study.text import GB
from automl.trials import fork_server
from automl.trials.order import FAILED, OVER, Order

if TYPE_CHECKING:
    from ray.tune import PlacementGroupFactory
    from ray.tune import Trainable as Base
elif ray_worker.global_worker.mode == ray.WORKER_MODE:
    Base = object
else:
    # The driver of Ray Tune takes nothing but its own class. Its functions are hidden: Ray would send them along, and
    # the worker would import their module.
    from ray.tune import PlacementGroupFactory, Trainable

    Base = type("Base", (Trainable,), dict.fromkeys(name for name, _ in getmembers(Trainable, isfunction)))

RUN: Final = "automl.trials.worker:run"
"""The function that runs a job, in the process of its training."""
MESSAGE: Final = "message"


class Training(Base):
    """One job at a time, in a process of its own whose messages are passed to the driver.

    This process, a worker of Ray, trains nothing. It ends with the training where that is lost, by the same signal as a
    worker that is killed, and the reaper ends the training with it.
    """

    run = RUN
    usual_cpus = 1.0
    """CPUs of a job that names none."""

    def __init__(self, config: Mapping[str, Any], storage: object = None) -> None:  # noqa: ARG002
        """Keep the job; Ray Tune gives its `storage` too, which is not used."""
        self.config = config
        self.reports = 0
        self.resources = ExitStack()
        self.messages: Generator[str, None, None] | None = None

    @classmethod
    def default_resource_request(cls, config: Mapping[str, Any]) -> "PlacementGroupFactory":
        """Return what the job of a trial needs, by what it names."""
        job = Job.from_dict(config["job"])
        bundle = {"CPU": job.cpus or cls.usual_cpus, "GPU": job.gpus, "memory": round(job.memory_gb * GB)}
        return PlacementGroupFactory([{name: amount for name, amount in bundle.items() if amount}])

    def __repr__(self) -> str:
        """Return the name of the actor in Ray's dashboard, which asks for it once, after the constructor."""
        return title(Job.from_dict(self.config["job"]))

    def reset(self, config: Mapping[str, Any], storage: object = None) -> bool:  # noqa: ARG002
        """Take another job, and return True: Ray Tune keeps this actor when a trial ends or pauses."""
        self.stop()
        self.config = config
        self.reports = 0
        return True

    def release(self) -> None:
        """End the training of a trial that is paused or stopped: it waits for an answer, and has its GPU as yet."""
        self.stop()

    def train(self) -> dict[str, Any]:
        """Wait for the next message of the training and return it; after the last one, that the trial is done.

        Raises:
            OSError: the storage failed in the training.
        """
        self.messages = self.messages or self._started()
        line = next(self.messages, None)
        if line is None:
            _end_as_lost()
        message = json.loads(line)
        if FAILED in message:
            raise OSError(*message[FAILED])
        self.reports += 1
        found = {"training_iteration": self.reports, **self.get_auto_filled_metrics()}
        return {**found, "done": True} if OVER in message else {**found, "done": False, MESSAGE: line}

    def get_auto_filled_metrics(self, debug_metrics_only: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002
        """Return what Ray Tune records of a trial that has reported nothing."""
        return {"pid": os.getpid(), "node_ip": ray.util.get_node_ip_address()}

    def stop(self) -> None:
        """End the training, by closing the connection to it."""
        self.resources.close()
        self.messages = None
        os.environ.pop(reaper.VARIABLE, None)  # what this process starts from now on is none of that trial's

    def _started(self) -> Generator[str, None, None]:
        """Start the process of the job and return its messages."""
        job = Job.from_dict(self.config["job"])
        os.environ["YOLO_VERBOSE"] = "true"
        with outage.retries_enabled(outage.RetrySettings()):
            outage.retry_on_outage(job.folder, lambda: job.folder.mkdir(parents=True, exist_ok=True))
        connection = self.resources.enter_context(fork_server.connect(node_server.owner(job.trainer)))
        return self.resources.enter_context(closing(_messages(job, connection, self.run)))


def _end_as_lost() -> NoReturn:
    """End this process as one that was killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _messages(job: Job, training: socket.socket, run: str) -> Generator[str, None, None]:
    """Start a job in the process at the other end, and yield its messages until it ends, each answered after its use.

    A process that is killed resets its connection where an answer was not read yet. Answers are written without a
    buffer, which would be written again when it is closed.
    """
    with suppress(ConnectionError), training.makefile("r", encoding="utf-8") as lines:
        if process := lines.readline():
            guard(job.folder, process=int(process))
            training.sendall(Order(job.to_dict(), run, dict(os.environ), sys.path).to_line().encode())
        for line in lines:
            yield line
            training.sendall(b"\n")


def title(job: Job) -> str:
    """Return the name of an actor in Ray's dashboard: what it runs, of which study. It runs one job after another."""
    kind = "re-trainings" if job.folder.parent.name == CONFIRM else "trials"
    return f"{kind} of {job.folder.parent.parent.name}"
