"""Ultralytics' detection trainer with the hooks of a study, a class that another process can import.

Imported where Ultralytics is. On several GPUs Ultralytics 8.4.190 (`utils/dist.py`) starts a process for each, which
imports the trainer's class by its module and passes it the arguments. Callbacks added to a model travel as pickled
copies: what they share with this process is lost there. So the hooks belong to the class, which makes those of its
process from an order in the environment (docs/decisions/0026).
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils import DEFAULT_CFG

from automl.storage import streams
from automl.storage.epoch_details import EpochDetails
from automl.study import Job, Measurement
from automl.study.errors import TrialError
from automl.study.objective import RateGoal
from automl.trainers.yolo.hooks import Hooks
from automl.trainers.yolo.validator_class import StudyValidator
from automl.trainers.yolo.vendor import ultralytics

ORDER: Final = "AUTOML_YOLO_ORDER"
"""Environment variable for child processes: job, folder and resume state of the training, as JSON."""

_here: dict[str, Hooks] = {}
"""The hooks of the trainings of this process, by their folder."""


class StudyTrainer(DetectionTrainer):  # type: ignore[misc]
    """Detection trainer with the hooks of a study (resume, checks, reports), which run before other callbacks."""

    def __init__(
        self,
        cfg: Any = DEFAULT_CFG,  # noqa: ANN401
        overrides: dict[str, Any] | None = None,
        _callbacks: Any = None,  # noqa: ANN401
    ) -> None:
        """Find the hooks by the folder of the training, before the first event."""
        self.hooks = _hooks_of(str((overrides or {}).get("save_dir", "")))
        super().__init__(cfg, overrides, _callbacks)

    def run_callbacks(self, event: str) -> None:
        """Run the hooks of an event, then the other callbacks."""
        for hook in self.hooks.at(event):
            hook(self)
        super().run_callbacks(event)

    def get_validator(self) -> Any:  # noqa: ANN401
        """Return Ultralytics' validator for this training, as a class that also records details."""
        validator = super().get_validator()
        validator.__class__ = StudyValidator
        validator.goal = RateGoal.of(self.hooks.job.metric.rpartition("/")[2])
        return validator

    def preprocess_batch(self, batch: Any) -> Any:  # noqa: ANN401
        """Prepare a batch, and show it to the observer."""
        ready = super().preprocess_batch(batch)
        self.hooks.observer.input_ready(self, ready)
        return ready

    def optimizer_step(self) -> None:
        """Show the gradients to the observer, then step."""
        self.hooks.observer.step(self)
        super().optimizer_step()


@contextmanager
def ordered(hooks: Hooks, *, state: Path | None) -> Iterator[None]:
    """Register hooks for the `StudyTrainer` of a block, and for those that its child processes create."""
    scratch = str(hooks.wanted["save_dir"])
    before = os.environ.get(ORDER)
    _here[scratch] = hooks
    os.environ[ORDER] = json.dumps({
        "job": hooks.job.to_dict(), "scratch": scratch, "state": None if state is None else str(state),
    })  # fmt: skip
    try:
        yield
    finally:
        del _here[scratch]
        os.environ.pop(ORDER)
        if before is not None:
            os.environ[ORDER] = before


def _hooks_of(scratch: str) -> Hooks:
    """Return the hooks of a training: those of this process, or of its order in a process that Ultralytics started.

    Raises:
        TrialError: there is no such training.
    """
    if scratch in _here:
        return _here[scratch]
    order = json.loads(os.environ.get(ORDER, "{}"))
    if not order or order["scratch"] != scratch:
        raise TrialError(f"{scratch}: must be the folder of a training that `automl.trainers.yolo.train` started")
    streams.clean_prints()
    ultralytics()  # disables network access in this process too
    state = Path(order["state"]) if order["state"] else None
    return Hooks.of(Job.from_dict(order["job"]), Path(scratch), state=state, on_epoch=_no_report)


def _no_report(measurement: Measurement, weights: Path, state: Path, shown: EpochDetails) -> None:
    """Do nothing: a process that Ultralytics started does not report."""
