"""Timing of a few real training and validation batches, in a process of its own and with a time limit."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any, Final

from automl.study import Job
from automl.study.errors import TrialError
from automl.trainers.protocol import Timing
from automl.trainers.yolo.train import train
from automl.trainers.yolo.vendor import ultralytics

TRAIN_BATCHES: Final = 6
VAL_BATCHES: Final = 4
"""Number of batches that the data set of a timed job should contain."""
WARM: Final = 2
"""The first batches are not counted: memory, kernels and caches are still being set up."""
ENOUGH: Final = 4
MOST_EPOCHS: Final = 3
"""Maximum number of passes over a data set of too few batches."""
ORDER: Final = "job.json"
RESULT: Final = "timing.json"
LOG: Final = "log.txt"
SECONDS: Final = 300.0
"""Timeout of a measurement, in seconds."""


def measure(job: Job, *, copies: int = 1, seconds: float = SECONDS) -> Timing:
    """Train a job's first epoch as a trial would, and return the durations of its parts; writes into `job.folder`.

    So many `copies` train side by side, since trials that share a machine slow each other down; their times are
    averaged.

    Raises:
        TrialError: the training failed, or took more than `seconds`.
    """
    folders = [job.folder / f"copy{number}" for number in range(copies)]
    deadline = time.monotonic() + seconds
    with ExitStack() as started:
        running = [started.enter_context(_started(replace(job, folder=folder))) for folder in folders]
        for process in running:
            try:
                process.wait(timeout=max(deadline - time.monotonic(), 0.0))
            except subprocess.TimeoutExpired:
                raise TrialError(f"{TRAIN_BATCHES} training batches and a validation took over {seconds:g} s") from None
    found = [_result(folder, process.returncode) for folder, process in zip(folders, running, strict=True)]
    means = {part: mean(getattr(one, part) for one in found) for part in ("start", "train_batch", "val_batch", "epoch")}
    return replace(found[0], **means)


@contextmanager
def _started(job: Job) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process that times a job; it is ended with the block."""
    job.folder.mkdir(parents=True)
    order = job.folder / ORDER
    order.write_text(json.dumps(job.to_dict()), encoding="utf-8")
    code = "from automl.trainers.yolo.timing import main; main()"
    with (job.folder / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(order), repr(time.time())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _result(folder: Path, code: int) -> Timing:
    if not (folder / RESULT).is_file():
        lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1].removeprefix(f"{TrialError.__module__}.{TrialError.__name__}: ") if lines else ""
        raise TrialError(last if last and code > 0 else f"the process ended with code {code}")
    return Timing(**json.loads((folder / RESULT).read_text(encoding="utf-8")))


def gpu_count() -> int:
    """Return the number of CUDA GPUs available to torch."""
    ultralytics()
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


class _Enough(Exception):  # noqa: N818  (an event, no error)
    """Raised when all wanted durations are measured."""


@dataclass(slots=True)
class _Marks:
    """Callbacks that record when each batch ends."""

    began: float
    start: float = 0.0
    train: list[float] = field(default_factory=list)
    val: list[float] = field(default_factory=list)
    besides: list[float] = field(default_factory=list)
    load: float = 0.0
    """Loading time of a batch in worker processes: they may be slower than the device, but prefetch at first."""
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

    def epoch_ended(self, *_given: object) -> None:
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
    """Measure the job in the file that the first argument names; the second is when this process was started."""
    order, began = sys.argv[1:]
    job = Job.from_dict(json.loads(Path(order).read_text(encoding="utf-8")))
    marks = _Marks(float(began))
    scratch = job.folder / "training"
    (scratch / "weights").mkdir(parents=True)
    try:
        train(job, scratch, state=None, on_epoch=marks.epoch_ended, callbacks=marks.callbacks())
    except _Enough:
        (job.folder / RESULT).write_text(json.dumps(asdict(marks.timing())), encoding="utf-8")
