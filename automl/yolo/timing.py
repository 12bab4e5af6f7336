"""Timing of a few real training and validation batches, in a process of its own and with a time limit."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any, Final

from automl.errors import TrialError
from automl.records import Job, Measurement
from automl.yolo.training import train
from automl.yolo.vendor import ultralytics

TRAIN_BATCHES: Final = 6
VAL_BATCHES: Final = 4
"""What the data set of a measured job should hold."""
WARM: Final = 2
"""The first batches are not counted: memory, kernels and caches are still being set up."""
ENOUGH: Final = 4
MOST_EPOCHS: Final = 3
"""A data set of fewer batches is gone through again, until there are enough, at most so many times."""
SECONDS: Final = 300.0
"""A measurement that takes longer is given up."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that the parts of a training take."""

    start: float
    """From the start of a process to its first batch."""
    train_batch: float
    val_batch: float
    epoch: float
    """What an epoch takes besides its batches: metrics, checkpoints."""
    batch: int
    """Images in a training batch."""
    val_images: int
    """Images in a validation batch."""


def measure(job: Job, *, seconds: float = SECONDS) -> Timing:
    """Train a job's first epoch as a trial would, and return what its parts take; `job.folder` is written to.

    Raises:
        TrialError: the training failed, or took more than `seconds`.
    """
    folder = job.folder
    order, result, log = (folder / name for name in ("job.json", "timing.json", "log.txt"))
    order.write_text(json.dumps(job.to_dict() | {"attempt": job.attempt}), encoding="utf-8")
    code = "from automl.yolo.timing import main; main()"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(order), str(result), repr(time.time())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            code_of = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise TrialError(f"{TRAIN_BATCHES} training batches and a validation took over {seconds:g} s") from None
        finally:
            process.kill()
            process.wait()
    if not result.is_file():
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise TrialError(lines[-1] if lines and code_of > 0 else f"the process ended with code {code_of}")
    return Timing(**json.loads(result.read_text(encoding="utf-8")))


def gpu_count() -> int:
    """Return the number of CUDA GPUs that torch sees."""
    ultralytics()
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


class _Enough(Exception):  # noqa: N818  (an event, no error)
    """All that was wanted is measured."""


@dataclass(slots=True)
class _Marks:
    """Callbacks that note when each batch ends."""

    began: float
    start: float = 0.0
    train: list[float] = field(default_factory=list)
    val: list[float] = field(default_factory=list)
    besides: list[float] = field(default_factory=list)
    load: float = 0.0
    """What the loader's processes need for a batch: they may be slower than the device, but are ahead at first."""
    sizes: dict[str, int] = field(default_factory=dict)
    _epoch: float = 0.0
    _counted: float = 0.0
    _last: float = 0.0

    def callbacks(self) -> Mapping[str, Any]:
        return {
            "on_train_start": self.started,
            "on_train_epoch_start": self.epoch_began,
            "on_train_batch_end": lambda _trainer: self._ended(self.train),
            "on_val_start": self.val_began,
            "on_val_batch_end": lambda _validator: self._ended(self.val),
        }

    def started(self, trainer: Any) -> None:  # noqa: ANN401
        self.start = time.time() - self.began
        loader = trainer.train_loader
        self.sizes = {"batch": trainer.batch_size, "val_images": trainer.test_loader.batch_size}
        if loader.num_workers:
            since, count = time.monotonic(), min(trainer.batch_size, len(loader.dataset))
            for index in range(count):
                loader.dataset[index]
            self.load = (time.monotonic() - since) / count * trainer.batch_size / loader.num_workers

    def epoch_began(self, _trainer: Any) -> None:  # noqa: ANN401
        self._epoch = self._last = time.monotonic()
        self._counted = 0.0

    def val_began(self, _validator: Any) -> None:  # noqa: ANN401
        self._last = time.monotonic()

    def _ended(self, batches: list[float]) -> None:
        now = time.monotonic()
        batches.append(now - self._last)
        self._counted += now - self._last
        self._last = now

    def epoch_ended(self, _measurement: Measurement, _weights: Path, _state: Path) -> None:
        self.besides.append(time.monotonic() - self._epoch - self._counted)
        if len(self.train) >= ENOUGH or len(self.besides) >= MOST_EPOCHS:
            raise _Enough

    def timing(self) -> Timing:
        train, val = self.train[WARM:] or self.train[-1:], self.val[1:] or self.val
        return Timing(
            start=self.start,
            train_batch=max(mean(train), self.load),
            val_batch=mean(val),
            epoch=self.besides[-1],
            **self.sizes,
        )


def main() -> None:
    """Measure the job in the file that the first argument names, and write the timing to the second."""
    order, result, began = sys.argv[1:]
    job = Job.from_dict(json.loads(Path(order).read_text(encoding="utf-8")))
    marks = _Marks(float(began))
    scratch = job.folder / "training"
    (scratch / "weights").mkdir(parents=True)
    try:
        train(job, scratch, state=None, on_epoch=marks.epoch_ended, callbacks=marks.callbacks())
    except _Enough:
        Path(result).write_text(json.dumps(asdict(marks.timing())), encoding="utf-8")
