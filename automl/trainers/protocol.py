"""Trainer protocol: the interface of a training framework to the rest of the program.

The module `automl.trainers.yolo` satisfies it with its functions; `tests/tiny_trainer.py` is a second one, without
torch. Every trainer must pass `tests/trainers/test_contract.py`. A trainer is stateless: all that a training needs is
in its `Job`, all that it leaves is in files.

Three kinds of file: a *state* is what an interrupted training resumes from; *weights* are what a model is loaded from
(`.pt` after a training, `.onnx` and `.engine` after an export); *stripped* weights contain nothing but the model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from automl.data.audit.records import Detections
from automl.storage.detections import ImageStats
from automl.storage.epoch_details import EpochDetails
from automl.storage.object_features import ObjectFeatures
from automl.study import EvalSettings, Job, Measurement
from automl.study.validation import Rules
from automl.trainers.compared import Compared, Probe
from automl.trainers.device_meter import DeviceMeter

OnEpoch = Callable[[Measurement, Path, Path, EpochDetails], None]
"""Callback after each epoch: its measurement, the weights after it, the state to resume from, and what it shows."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations of the parts of a training, in seconds."""

    start: float
    """From the start of a process to its first batch."""
    train_batch: float
    val_batch: float
    epoch: float
    """Time of an epoch besides its batches: metrics, checkpoints."""
    batch: int
    """Images in a training batch."""
    val_images: int
    """Images in a validation batch."""


class Settings(Rules, Protocol):
    """Settings of a trainer: their laws (`Rules`), their defaults, and the values that apply to a job."""

    BATCH: int
    """Images in a training batch where a job does not set it."""

    def plain_hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters of a training with nothing but defaults; `optimizer` is among them."""
        ...

    def resolve_auto(self, *, images: int, classes: int, epochs: int, batch: int) -> dict[str, Any]:
        """Return the explicit `optimizer`, `lr0`, `momentum` and `warmup_bias_lr` that `optimizer=auto` resolves to.

        They apply to a training of so many train images, classes, epochs and images a batch.
        """
        ...

    def image_size(self, job: Job) -> int:
        """Return the edge of the square model input of a job, in pixels."""
        ...

    def batch_size(self, job: Job) -> int:
        """Return the training batch size of a job, in images."""
        ...

    def misfits(self, values: Mapping[str, Sequence[Any]], *, model: str, names: Mapping[int, str]) -> Iterator[str]:
        """Yield `name: law, but got value` for each setting that does not fit the model or the classes of the data."""
        ...


class Training(Protocol):
    """One training, from scratch or from a state, and its files."""

    def train(self, job: Job, scratch: Path, *, state: Path | None, on_epoch: OnEpoch) -> dict[str, float]:
        """Train to the job's last epoch; return the metrics of the evaluated `best.pt` on `val`.

        After each epoch writes `scratch/weights/last.pt` and a state, and calls `on_epoch`, which may put other
        weights at `scratch/weights/best.pt`: those are the ones evaluated. Validates after the epochs that the job
        names (`Job.validates`); the measurements of the others contain losses and rates alone. Shows pictures after
        those of `Job.pictures`; details have no influence on the training. Leaves stripped
        `weights/last.pt` and `weights/best.pt`. With a `state` the training resumes after the epoch that it was saved
        at, with the same measurements as a training that was never interrupted.

        Raises:
            TrialError: a loss or metric is not finite, memory ran out, or the state cannot be read.
            DataError: images that were staged could not be read.
        """
        ...

    def preload(self) -> None:
        """Import all that a training uses: in the process from which those of trainings are forked.

        Uses no device and leaves no thread, since neither survives a fork.
        """
        ...

    def set_threads(self, count: int) -> None:
        """Use so many CPU threads in this process."""
        ...

    def damage(self, path: Path) -> str:
        """Return the error in the bytes of weights or a state, empty when they are intact."""
        ...

    def epochs_done(self, path: Path) -> int:
        """Return after how many epochs a state was saved; 0 for stripped weights.

        Raises:
            TrialError: the file is damaged, of another format, or neither.
        """
        ...

    def write_weights(self, state: Path, target: Path) -> None:
        """Write the weights in a state as stripped weights.

        Raises:
            TrialError: the state cannot be read.
        """
        ...

    def strip(self, weights: Path) -> None:
        """Remove all but the model from weights, in place."""
        ...

    def scan_labels(self, data: Path) -> None:
        """Prepare the caches of a staged data set, so that trials which start together do not write them at once.

        Raises:
            DataError: staged images cannot be read.
        """
        ...


class Timer(Protocol):
    """What a training costs, before it is started."""

    TRAIN_BATCHES: int
    VAL_BATCHES: int
    """Batches that the data set of a timed job should contain."""

    def measure(self, job: Job, *, copies: int = 1) -> Timing:
        """Time a job's first epoch, so many copies side by side; writes into `job.folder`.

        Raises:
            TrialError: the training failed, or took too long.
        """
        ...

    def device_meter(self) -> DeviceMeter:
        """Return the meter of the GPU that this process was given.

        Raises:
            TrialError: it has none.
        """
        ...

    def gpu_count(self) -> int:
        """Return the number of CUDA GPUs of this machine."""
        ...

    def has_cuda(self) -> bool:
        """Return True if this machine can run a CUDA engine."""
        ...

    def parameters(self, model: str) -> int:
        """Return the number of trainable parameters of a model, by its weights or its description.

        Raises:
            TrialError: the file is no model, or it may run code.
        """
        ...


class Proof(Protocol):
    """Bitwise comparison of short trainings: does the value of a parameter change a training at all?"""

    def unprovable(self, name: str) -> str:
        """Return why `compare` cannot show whether a setting has an effect, empty where it can."""
        ...

    def compare(self, job: Job, probes: Sequence[Probe], *, images: int, seconds: float) -> Compared:
        """Train a few batches with the reference of each probe and with its others, all else equal, seed and data too.

        `job` is a job as trials are trained, but for its data set of a few images; `images` are those that trials
        train on, since schedules depend on their number. Ends after about so many seconds; what was not compared
        by then says so. Writes into `job.folder`.

        Raises:
            TrialError: this trainer cannot compare, the training failed, or two equal trainings differed.
        """
        ...


class Evaluation(Protocol):
    """Weights of any format: measured, exported, run."""

    def validate(self, weights: Path, job: Job, *, split: str, as_trained: bool = False) -> dict[str, float]:
        """Return the metrics of weights on `train`, `val` or `test` at the job's image size.

        Tag to value, such as `test/map50_95`, and `class/<name>` for the AP50-95 of each class. With `as_trained` as
        a training measures at its end, which may batch the images in another way.

        Raises:
            TrialError: memory ran out, or the file is not to be trusted.
        """
        ...

    def judge(
        self, weights: Path, job: Job, *, split: str, as_trained: bool = False
    ) -> tuple[dict[str, float], ImageStats]:
        """Return the metrics as `validate` does, and what they were computed from, image by image."""
        ...

    def detect(self, weights: Path, job: Job, images: Sequence[Path]) -> Iterator[Detections]:
        """Yield the detections of `.pt` weights in each image, with low confidences too; none for an unreadable one.

        Raises:
            TrialError: the file is not to be trusted.
        """
        ...

    def evaluation(self, job: Job) -> EvalSettings:
        """Return how the model of a job is validated, exported, evaluated and served, by its settings and data."""
        ...

    def model_names(self, fixed: Mapping[str, Any], names: Mapping[int, str]) -> dict[int, str]:
        """Return the classes of a model trained with these fixed settings on data with these classes."""
        ...

    def write_untrained(self, path: Path, job: Job) -> None:
        """Write stripped weights of the network that a training of the job starts with, without its training.

        Raises:
            TrialError: the model cannot be built.
        """
        ...

    def export_onnx(self, weights: Path, job: Job) -> Path:
        """Write an ONNX file beside the weights, 1 x channels x size x size in FP32, and return its path.

        Raises:
            ExportError: the weights cannot be exported.
        """
        ...

    def letterboxed(self, images: Sequence[Path], job: Job) -> NDArray[np.float32]:
        """Return images as training reads them: n x channels x size x size, RGB, 0 to 1; unreadable ones left out.

        Raises:
            ExportError: none can be read.
        """
        ...

    def raw_outputs(self, weights: Path, pictures: NDArray[np.float32], job: Job) -> NDArray[np.float32]:
        """Return the outputs of weights for letterboxed images: n x ..., as the first output of the ONNX file."""
        ...


class Embedding(Protocol):
    """What a network sees in the labelled objects."""

    def object_features(self, weights: Path, job: Job, *, split: str, most: int) -> ObjectFeatures:
        """Return features and thumbnails of up to `most` labelled objects of a split, evenly spaced over all.

        Raises:
            TrialError: memory ran out, or the file is not to be trusted.
        """
        ...


class Trainer(Settings, Training, Timer, Proof, Evaluation, Embedding, Protocol):
    """A training framework."""
