"""A study on a real Ray whose trials train nothing: each epoch takes a moment and gives a made-up value.

As a script it is a driver: `python -m tests.quick_study FOLDER ADDRESS LOG LOST`, the last two `Timeouts` in seconds.
"""

import logging
import os
import sys
import time
from pathlib import Path

from automl import cluster
from automl.cluster import launcher, training
from automl.cluster.control_store import Timeouts
from automl.study import Ending, Job, Measurement, Report
from automl.trainers import registration
from tests import tiny_trainer
from tests.builders import spec_of
from tests.simulated_study import open_search, saturating

EPOCH_SECONDS = 0.7
HANG = "hang"
"""A file of this name in the study's folder makes each trial hang after its first epoch."""


class Training(training.Training):
    """Does on a worker all that it does, but trains nothing."""

    run = "tests.quick_study:run"


def run(job: Job, report: Report) -> Ending:
    """Report the epochs of earlier attempts once more, then new ones."""
    kept = job.folder / "epochs"
    done = int(kept.read_text()) if kept.exists() else 0
    for epoch in range(1, job.epochs + 1):
        if epoch > done:
            time.sleep(EPOCH_SECONDS)
            kept.write_text(str(epoch))
        report(_measured(job, epoch))
        if (job.folder.parents[1] / HANG).exists():
            hang()
    return Ending(final=_measured(job, job.epochs))


def hang() -> None:
    """Take no notice of anything, for ever."""
    while True:
        try:
            time.sleep(1000)
        except BaseException:  # noqa: BLE001
            continue


def _measured(job: Job, epoch: int) -> Measurement:
    return Measurement(epoch, {job.metric: saturating(job, epoch)}, EPOCH_SECONDS)


def main(folder: Path, address: str, timeouts: Timeouts) -> None:
    """Search, as a job does."""
    vars(launcher)["Training"] = Training
    os.environ[registration.CHOSEN] = tiny_trainer.registered()  # the other one imports torch on each node
    with cluster.interruptible():
        source = open_search(folder, spec_of(budget={"trials": 2}), gpus=0)
        with cluster.connected(address=address, log=folder / "ray.log", timeouts=timeouts):
            cluster.run(source, cluster.Slots(gpus=0, cpus=1, concurrent=1))
        if source.over:
            source.finish()
        source.close()
    logging.getLogger("automl").info("search is over" if source.finished else "search is stopped")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Timeouts(log=float(sys.argv[3]), lost=float(sys.argv[4])))
