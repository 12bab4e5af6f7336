"""Process of one rank of a training on several GPUs, started by `ranks.py` as a module.

It trains as a training of one process does; Ultralytics reads its rank from the environment, where it is imported. It
ends with the process that started it: the kernel sends SIGKILL (`PR_SET_PDEATHSIG`).
"""

import ctypes
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.storage import streams
from automl.storage.epoch_details import EpochDetails
from automl.study import Job, Measurement
from automl.trainers.registration import trainer_of
from automl.trainers.yolo.ranks import EPOCH, FAILED, OVER, failure_of

PR_SET_PDEATHSIG: Final = 1
"""Of Linux' prctl.h."""
SHOWN: Final = "shown.npz"


def end_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; end it now if that has happened."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


@dataclass(slots=True)
class Parent:
    """The process of the trial."""

    connection: socket.socket
    scratch: Path

    def report(self, measurement: Measurement, weights: Path, state: Path, shown: EpochDetails) -> None:
        """Send an epoch, and wait until the process of the trial has written and reported it."""
        pictured = self.scratch / SHOWN
        if shown.pictured:
            shown.save(pictured)
        message = {
            EPOCH: measurement.to_dict(), "weights": str(weights), "state": str(state),
            "scalars": dict(shown.scalars), "pictured": str(pictured) if shown.pictured else "",
        }  # fmt: skip
        self.send(message)
        if not self.connection.recv(1):
            os._exit(1)

    def send(self, message: object) -> None:
        """Send a message."""
        self.connection.sendall(json.dumps(message).encode() + b"\n")


def main(order: Path, descriptor: int) -> int:
    """Train the job of an order as one rank, and return the exit code."""
    plain = json.loads(order.read_text(encoding="utf-8"))
    job, scratch = Job.from_dict(plain["job"]), Path(plain["scratch"])
    parent = Parent(socket.socket(fileno=descriptor), scratch)
    streams.clean_prints()
    try:
        trainer, state = trainer_of(job), Path(plain["state"]) if plain["state"] else None
        metrics = trainer.train(job, scratch, state=state, on_epoch=parent.report)
    finally:
        if error := sys.exception():
            parent.send({FAILED: failure_of(error)})
    parent.send({OVER: metrics})
    _leave()
    return 0


def _leave() -> None:
    """Leave the process group of the ranks."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


if __name__ == "__main__":
    end_with(int(sys.argv[3]))
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
