"""A rank of a training that reports as its order says, without torch; a module that `ranks.py` starts in a test."""

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from automl.storage.epoch_details import EpochDetails
from automl.study import Measurement
from automl.study.errors import TrialError
from automl.trainers.yolo.rank_process import Parent, end_with
from automl.trainers.yolo.ranks import FAILED, OVER, failure_of

SLEEPS, DIES, FAILS, LAMENTS, ENDS = "sleeps", "dies", "fails", "laments", "ends"


def main(order: Path, descriptor: int) -> None:
    """Do what the order has for this rank; rank 0 reports two epochs first."""
    does, scratch = json.loads(order.read_text())[int(os.environ["RANK"])], order.parent
    parent = Parent(socket.socket(fileno=descriptor), scratch)
    for epoch in (1, 2) if os.environ["RANK"] == "0" else ():
        shown = EpochDetails({"x": 1.0}, {"a": b"png"} if epoch == 2 else {})
        parent.report(Measurement(epoch, {"val/map50_95": 0.5}, 1.0), scratch / "last.pt", scratch / "state.pt", shown)
    (scratch / f"rank-{os.getpid()}").touch()
    if does == SLEEPS:
        time.sleep(600)
    if does == DIES:
        os.kill(os.getpid(), signal.SIGKILL)
    while does == LAMENTS and not any(is_gone(path) for path in scratch.glob("rank-*")):
        time.sleep(0.02)
    if does in {FAILS, LAMENTS}:
        parent.send({FAILED: failure_of(TrialError("loss is not finite", reason=None))})
        sys.exit(1)
    if does == ENDS:
        parent.send({OVER: {"val/map50_95": 0.7}})


def is_gone(path: Path) -> bool:
    """Return True if the process that left a file has ended; its parent may not have waited for it yet."""
    status = Path("/proc", path.name.removeprefix("rank-"), "stat")
    return not status.exists() or status.read_text().rpartition(") ")[2].startswith("Z")


if __name__ == "__main__":
    end_with(int(sys.argv[3]))
    main(Path(sys.argv[1]), int(sys.argv[2]))
