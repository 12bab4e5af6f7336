"""Training hooks: callbacks at Ultralytics' events, and the errors that end a training."""

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from automl.study import EndReason, Job, Measurement
from automl.study.errors import TrialError
from automl.trainers.protocol import OnEpoch
from automl.trainers.yolo import state_file
from automl.trainers.yolo.arguments import threads, training_overrides
from automl.trainers.yolo.data_fit import refuse_left_out
from automl.trainers.yolo.observer import Observer
from automl.trainers.yolo.resume import Continuation, capture
from automl.trainers.yolo.vendor import named, rank, set_threads

Hook = Callable[[Any], None]
"""Callback with Ultralytics' trainer as argument."""

GAINS: Final = {"box_loss": "box", "cls_loss": "cls", "dfl_loss": "dfl"}


@dataclass(slots=True)
class Hooks:
    """The hooks of one training."""

    job: Job
    wanted: Mapping[str, Any]
    """Arguments of Ultralytics."""
    on_epoch: OnEpoch
    continuation: Continuation
    requested_batch: int
    """The batch of the job; a training that resumes with half of it gets that half."""
    observer: Observer
    state: Path | None = None
    """The state from which the training resumes."""
    _since: float = 0.0

    @classmethod
    def of(cls, job: Job, scratch: Path, *, state: Path | None, on_epoch: OnEpoch) -> Self:
        """Return the hooks of a job that is trained in `scratch`, from the start or from a state."""
        continuation, wanted = Continuation.of(state), training_overrides(job, scratch)
        requested_batch = wanted["batch"]
        wanted["batch"] = continuation.state.get("batch", requested_batch)
        return cls(
            job, wanted, on_epoch, continuation, requested_batch=requested_batch, observer=Observer(job), state=state
        )

    def at(self, event: str) -> tuple[Hook, ...]:
        """Return the callbacks of an event, in calling order."""
        resumed = self.continuation
        return {
            "on_train_start": (resumed.training_started, self.started),
            "on_train_epoch_start": (resumed.epoch_started, self.began, self.check_batch, self.observer.epoch_started),
            "on_train_batch_start": (resumed.steps.batch_started, self.observer.batch_started),
            "on_train_batch_end": (resumed.steps.batch_ended, self.observer.batch_ended),
            "on_train_epoch_end": (self.check_losses, resumed.gather_ranks, self.choose_validation),
            "on_model_save": (self.saved,),
        }.get(event, ())

    def started(self, trainer: Any) -> None:  # noqa: ANN401
        """Check that Ultralytics got the params of the job.

        Raises:
            TrialError: one of them has another value.
            DataError: images that were staged are left out.
        """
        for loader, split in ((trainer.train_loader, "train"), (trainer.test_loader, "val")):
            refuse_left_out(loader.dataset, Path(self.job.data), split)
        set_threads(threads(self.job))
        self._since = time.monotonic()
        actual = vars(trainer.args)
        chosen = {"optimizer"} if str(self.wanted.get("optimizer")).lower() == "auto" else set()  # auto is replaced
        for name in self.job.params:
            if name not in {"model", *chosen} and actual.get(name) != self.wanted[name]:
                raise TrialError(f"{name} must be {self.wanted[name]}, but Ultralytics got {actual.get(name)}")

    def began(self, trainer: Any) -> None:  # noqa: ANN401
        """Log that an epoch begins; of several processes rank 0 writes."""
        if rank() > 0:
            return
        sys.stdout.write(f"attempt {self.job.attempt}: epoch {trainer.epoch + 1} of {self.job.epochs} begins\n")

    def check_losses(self, trainer: Any) -> None:  # noqa: ANN401
        """Raise a TrialError if a training loss is not finite."""
        epoch = trainer.epoch + 1
        losses = trainer.label_loss_items(trainer.tloss, prefix="train")
        if broken := [name for name, loss in losses.items() if not math.isfinite(loss)]:
            raise _not_finite(f"loss is not finite at epoch {epoch}: {', '.join(broken)}")

    def check_batch(self, trainer: Any) -> None:  # noqa: ANN401
        """Limit the halvings of a batch that does not fit to one; Ultralytics makes up to three and only logs them.

        None on a shared GPU: there the training gets a larger share instead, with the batch that was asked for.
        """
        asked, half = self.requested_batch, max(self.requested_batch // 2, 1)
        if self.job.shares_gpu and trainer.batch_size < self.wanted["batch"]:
            raise TrialError(f"out of memory: batch {asked} did not fit", reason=EndReason.MEMORY)
        if trainer.batch_size < half:
            text = f"out of memory: batch {asked} did not fit, nor did {asked // 2}"
            raise TrialError(text, reason=EndReason.MEMORY)

    def choose_validation(self, trainer: Any) -> None:  # noqa: ANN401
        """Enable or disable the validation of this epoch: Ultralytics reads its setting `val` before each.

        It keeps the epoch validated last: an epoch without validation would get that one's metrics, and, as its fitness
        equals the best so far, become `best.pt`.
        """
        trainer.args.val = self.job.validates(trainer.epoch + 1)
        if not trainer.args.val:
            trainer.fitness = None
            trainer.metrics = dict.fromkeys(trainer.metrics or (), math.nan)  # None where the rank is above 0

    def saved(self, trainer: Any) -> None:  # noqa: ANN401
        """Save the state after an epoch and report the epoch's measurement.

        Raises:
            TrialError: a metric is not finite.
        """
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
            raise _not_finite(f"not finite at epoch {epoch}: {', '.join(broken)}")
        measurement = Measurement(epoch, metrics, seconds=now - self._since, changed=self._changed(trainer.batch_size))
        self._since = now
        state = trainer.save_dir / "state.pt"
        last_step = self.continuation.steps.last
        captured = capture(trainer, attempt=self.job.attempt, last_step=last_step)
        state_file.save({**captured, "ranks": self.continuation.ranks}, state)
        self.on_epoch(measurement, Path(trainer.last), state, self.observer.details(trainer, validated=validated))

    def _changed(self, batch: int) -> str:
        if batch == self.requested_batch:
            return ""
        return f"out of memory: batch {self.requested_batch} did not fit and was halved to {batch}"


def _not_finite(cause: str) -> TrialError:
    return TrialError(cause, reason=EndReason.NOT_FINITE)


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
