"""What `tests.quick_study` runs in the process of a training: nothing is trained.

It imports no Ray: each process of a training is forked from one without, and would take 2 CPU-seconds to import it.
"""

import math
import time

from automl.study import Ending, Job, Measurement, Report

EPOCH_SECONDS = 0.7
HANG = "hang"
"""A file of this name in the study's folder makes each trial hang after its first epoch."""


def run(job: Job, report: Report) -> Ending:
    """Report the epochs of earlier attempts once more, then new ones."""
    kept = job.folder / "epochs"
    done = int(kept.read_text()) if kept.exists() else 0
    for epoch in range(1, job.epochs + 1):
        if epoch > done:
            time.sleep(EPOCH_SECONDS)
            part = kept.with_suffix(".part")  # it may be killed at any moment
            part.write_text(str(epoch))
            part.replace(kept)
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
    """Return a value that rises with the epochs to a height that depends on the learning rate."""
    height = 0.8 - 0.1 * abs(math.log10(float(job.params["lr0"]) / 0.03))
    return Measurement(epoch, {job.metric: height * (1 - math.exp(-0.5 * (epoch - 1)))}, EPOCH_SECONDS)
