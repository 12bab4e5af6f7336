"""One training, watched by callbacks: each epoch's measurement, and what must end it."""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.study import Job, Measurement
from automl.study.errors import TrialError
from automl.trainers.protocol import OnEpoch
from automl.trainers.yolo import out_of_memory, state_file
from automl.trainers.yolo.pickle_scan import refuse_strange
from automl.trainers.yolo.resume import Continuation, taken
from automl.trainers.yolo.vendor import named, set_threads, ultralytics

Callback = Callable[[Any], None]
"""Called with Ultralytics' trainer, or its validator."""

NONE: Final[Mapping[str, Callback]] = {}
IMAGE_SIZE: Final = 640
BATCH: Final = 16
GAINS: Final = {"box_loss": "box", "cls_loss": "cls", "dfl_loss": "dfl"}


def train(
    job: Job, scratch: Path, *, state: Path | None, on_epoch: OnEpoch, callbacks: Mapping[str, Callback] = NONE
) -> dict[str, float]:
    """Train to the last epoch and return the metrics of the evaluated `best.pt`.

    Validates after the epochs that the job names; between them `on_epoch` gets the training's losses and rates alone.
    Leaves stripped `weights/last.pt` and `weights/best.pt` in `scratch`. With a `state` the training goes on after
    the epoch it was taken at, as if it had never been cut (resume.py says where that holds). `callbacks` maps
    Ultralytics' events to what is called there besides.

    Raises:
        TrialError: a loss or metric is not finite, memory ran out, or a setting did not arrive.
    """
    vendor = ultralytics()
    going_on = Continuation.of(state)
    wanted = overrides(job, scratch)
    asked = wanted["batch"]
    wanted["batch"] = going_on.state.get("batch", asked)
    for value in wanted.values():
        refuse_strange(value)
    model = vendor.YOLO(wanted["model"], task="detect")
    watch = _Watch(job, wanted, on_epoch, going_on, asked=asked)
    going_on.register(model)
    model.add_callback("on_train_start", watch.started)
    model.add_callback("on_train_epoch_start", watch.began)
    model.add_callback("on_train_epoch_start", watch.check_batch)
    model.add_callback("on_train_epoch_end", watch.check_losses)
    model.add_callback("on_train_epoch_end", watch.choose_validation)
    for event, callback in callbacks.items():
        model.add_callback(event, callback)
    model.add_callback("on_model_save", watch.saved)
    with out_of_memory.named(lambda: model.trainer.batch_size if model.trainer else asked):
        model.train(**wanted)
    return named(model.trainer.metrics)


def overrides(job: Job, scratch: Path) -> dict[str, Any]:
    """Return all that is passed to Ultralytics for a job: fixed settings, then params, then what is ours to set.

    The judged split is not among them: a trainer validates on the split it is told, and picks `best.pt` by that.
    """
    on_gpu = job.gpus > 0
    ours = {
        "data": job.data,
        "epochs": job.epochs,
        "seed": job.seed,
        "device": 0 if on_gpu else "cpu",
        "workers": min(8, job.threads) if on_gpu else 0,
        "save_dir": str(scratch),
        "exist_ok": True,
        "patience": 0,
        "plots": False,
    }
    return {"imgsz": IMAGE_SIZE, "batch": BATCH, "model": job.model, **job.settings, **job.params, **ours}


def image_size(job: Job) -> int:
    """Return the edge of the square, in pixels, that a job's model takes."""
    return int(overrides(job, job.folder)["imgsz"])


def batch_size(job: Job) -> int:
    """Return how many images a training batch of a job holds."""
    return int(overrides(job, job.folder)["batch"])


@dataclass(slots=True)
class _Watch:
    """The callbacks of one training."""

    job: Job
    wanted: Mapping[str, Any]
    on_epoch: OnEpoch
    going_on: Continuation
    asked: int
    """The batch of the job; a training that goes on with half of it is told that half."""
    _since: float = 0.0

    def started(self, trainer: Any) -> None:  # noqa: ANN401
        set_threads(self.job.threads)
        self._since = time.monotonic()
        arrived = vars(trainer.args)
        chosen = {"optimizer"} if str(self.wanted.get("optimizer")).lower() == "auto" else set()  # auto is replaced
        for name in self.job.params:
            if name not in {"model", *chosen} and arrived.get(name) != self.wanted[name]:
                raise TrialError(f"{name}={self.wanted[name]} was asked for, but Ultralytics got {arrived.get(name)}")

    def began(self, trainer: Any) -> None:  # noqa: ANN401
        sys.stdout.write(f"attempt {self.job.attempt}: epoch {trainer.epoch + 1} of {self.job.epochs} begins\n")

    def check_losses(self, trainer: Any) -> None:  # noqa: ANN401
        epoch = trainer.epoch + 1
        losses = trainer.label_loss_items(trainer.tloss, prefix="train")
        if broken := [name for name, loss in losses.items() if not math.isfinite(loss)]:
            raise TrialError(f"loss is not finite at epoch {epoch}: {', '.join(broken)}")

    def check_batch(self, trainer: Any) -> None:  # noqa: ANN401
        """Let Ultralytics halve a batch that does not fit once; it would do so three times, and say it in its log."""
        if trainer.batch_size < max(self.asked // 2, 1):
            raise TrialError(f"out of memory: batch {self.asked} did not fit, nor did {self.asked // 2}")

    def choose_validation(self, trainer: Any) -> None:  # noqa: ANN401
        """Let Ultralytics validate this epoch, or not; it asks its setting `val` anew each time.

        It does not forget the epoch validated last: an epoch without validation would get that one's metrics, and, as
        its fitness equals the best so far, become `best.pt`.
        """
        trainer.args.val = self.job.validates(trainer.epoch + 1)
        if not trainer.args.val:
            trainer.fitness = None
            trainer.metrics = dict.fromkeys(trainer.metrics, math.nan)

    def saved(self, trainer: Any) -> None:  # noqa: ANN401
        now = time.monotonic()
        validated = trainer.fitness is not None
        metrics = {
            **(named(trainer.metrics) if validated else {}),
            **named(trainer.label_loss_items(trainer.tloss, prefix="train")),
            **_rates(trainer.optimizer.param_groups),
        }
        if validated:
            metrics["val/loss"] = _gain_free(metrics, vars(trainer.args))
        epoch = trainer.epoch + 1
        if broken := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise TrialError(f"not finite at epoch {epoch}: {', '.join(broken)}")
        measurement = Measurement(epoch, metrics, seconds=now - self._since, changed=self._changed(trainer.batch_size))
        self._since = now
        state = trainer.save_dir / "state.pt"
        last_step = self.going_on.steps.last
        state_file.save(taken(trainer, attempt=self.job.attempt, last_step=last_step), state)
        self.on_epoch(measurement, Path(trainer.last), state)

    def _changed(self, batch: int) -> str:
        return "" if batch == self.asked else f"out of memory: batch {self.asked} did not fit and was halved to {batch}"


def _rates(groups: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the two learning rates that every optimizer has; how many groups share them differs by optimizer."""
    rates = {"lr/bias" if group.get("param_group") == "bias" else "lr/weights": group["lr"] for group in groups[::-1]}
    return {name: float(rate) for name, rate in sorted(rates.items())}


def _gain_free(metrics: Mapping[str, float], arguments: Mapping[str, Any]) -> float:
    """Sum the validation losses divided by their gains, so that trials with other gains can be compared."""
    total = 0.0
    for name, gain in GAINS.items():
        if f"val/{name}" in metrics and arguments[gain]:
            total += metrics[f"val/{name}"] / arguments[gain]
    return total
