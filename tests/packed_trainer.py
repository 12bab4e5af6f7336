"""The tiny trainer on a stand-in GPU: known throughput and memory of copies side by side, and trials that outgrow it.

Registered as a trainer (`registered`), so that whole studies probe, share and outgrow a GPU that Ray only counts.
"""

import os
import threading
import time
from pathlib import Path
from typing import Any

from automl.storage.layout import TRIALS
from automl.study import EndReason, Job, Measurement
from automl.study.errors import TrialError
from automl.trainers import OnEpoch, Timing, register
from automl.trainers.device_meter import DeviceMeter
from tests import tiny_trainer

NAME = "packed"
DEVICE = "stand-in GPU"
RECORD = "AUTOML_TEST_PACKED"
"""Environment variable with a file: a line for each measurement of the probe, and for each begin of a training."""
ALONE, PEAK = 100.0, 300.0
"""Images per second of one copy, and of all together at most."""
EPOCH_SECONDS = 1.0
"""Of an epoch, by the probe and really."""
MEMORY = {32: 0.2, 64: 0.5}
"""Share of the memory of a copy, by image size."""
OUTGROWS, NEEDS = 2, 0.5
"""Trial that needs more of the GPU than the probe saw, and how much."""
SLOW, SLOW_SECONDS = 3, 3.0
"""Trial whose epochs take longer, since a stranger uses the GPU."""
LOOKED = 300.0
TOGETHER, TOGETHER_SECONDS = 3, 300.0
"""Trainings that a GPU holds; one that is not yet among so many waits for the others, however slowly they start."""


def registered() -> str:
    """Register this trainer and return its name."""
    register(NAME, __name__)
    return NAME


def __getattr__(name: str) -> Any:
    """Return what the tiny trainer has of that name."""
    return getattr(tiny_trainer, name)


class Device:
    """Memory in use of the stand-in GPU; one that is read says so."""

    def __init__(self) -> None:
        self.used = 0.0
        self.read = threading.Event()

    def name(self) -> str:
        return DEVICE

    def memory(self) -> float:
        self.read.set()
        return self.used


HERE = Device()


def device_meter() -> DeviceMeter:
    return HERE


def measure(job: Job, *, copies: int = 1) -> Timing:
    """Use the memory of so many copies until it was read, and return the time of a batch of each."""
    record(f"probe {tiny_trainer.image_size(job)} {copies}")
    HERE.used = copies * MEMORY[tiny_trainer.image_size(job)]
    HERE.read.clear()
    if HERE.used > 1 or not HERE.read.wait(LOOKED):
        raise TrialError("out of memory")
    HERE.used = 0.0
    total = min(copies * ALONE, PEAK)
    batch = tiny_trainer.batch_size(job)
    seconds = copies * batch / total
    return Timing(0.1, seconds, seconds / 2, EPOCH_SECONDS, batch=batch, val_images=batch)


def train(job: Job, scratch: Path, *, state: Path | None, on_epoch: OnEpoch) -> dict[str, float]:
    """Train as the tiny trainer does; some trials are slow, or out of memory in their second epoch."""
    is_trial = job.folder.parent.name == TRIALS

    def watched(measurement: Measurement, *given: Any) -> None:
        if is_trial and job.number == SLOW:
            time.sleep(SLOW_SECONDS)
            measurement = Measurement(measurement.epoch, measurement.metrics, measurement.seconds + SLOW_SECONDS)
        if is_trial and job.number == OUTGROWS and job.gpus < NEEDS and measurement.epoch > 1:
            raise TrialError("out of memory: batch 8 did not fit: CUDA out of memory", reason=EndReason.MEMORY)
        on_epoch(measurement, *given)

    record(f"begin {os.getpid()} {job.gpus} {side_by_side() + 1}")
    if not is_trial:
        wait_for_others()
    return tiny_trainer.train(job, scratch, state=state, on_epoch=watched)


def wait_for_others() -> None:
    """Wait until so many trainings as a GPU holds have run side by side in this study, or for a long time in vain."""
    until = time.monotonic() + TOGETHER_SECONDS
    while most_together() < TOGETHER and time.monotonic() < until:
        time.sleep(0.05)


def most_together() -> int:
    """Return the greatest number of trainings that were there when one of them began."""
    lines = Path(os.environ[RECORD]).read_text(encoding="utf-8").splitlines()
    return max((int(line.split()[3]) for line in lines if line.startswith("begin")), default=0)


def side_by_side() -> int:
    """Return how many of the trainings that began before are still there."""
    lines = Path(os.environ[RECORD]).read_text(encoding="utf-8").splitlines()
    return len({line.split()[1] for line in lines if line.startswith("begin") and alive(line.split()[1])})


def alive(process: str) -> bool:
    """Return True if a process trains: one that has ended may wait for its parent."""
    try:
        return Path("/proc", process, "stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def record(line: str) -> None:
    """Append a line, whole, to the file of the record."""
    with Path(os.environ[RECORD]).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
