"""Ultralytics' detection trainer with the hooks of a study.

Imported where Ultralytics is. Hooks that were callbacks added to a model would be lost in the processes of a training
on several GPUs, so they belong to the class (docs/decisions/0026).
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.utils import DEFAULT_CFG
from ultralytics.utils.torch_utils import unset_deterministic

from automl.study.errors import TrialError
from automl.study.objective import RateGoal
from automl.trainers.yolo import ranks
from automl.trainers.yolo.hooks import Hooks
from automl.trainers.yolo.validator_class import StudyValidator
from automl.trainers.yolo.vendor import rank

_here: Final[dict[str, Hooks]] = {}
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

    def train(self) -> None:
        """Train; on several GPUs in a process for each, which begins with the weights of a training of one process."""
        if not self.ddp:
            super().train()
            return
        self.setup_model()
        try:
            self.metrics = ranks.train(self)
        finally:
            unset_deterministic()

    def setup_model(self) -> Any:  # noqa: ANN401
        """Make the model; a rank takes the first weights of all."""
        found = super().setup_model()
        if rank() >= 0:
            first = self.save_dir / ranks.FIRST
            self.model.load_state_dict(torch.load(first, map_location="cpu", weights_only=True))
        return found

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

    def read_results_csv(self) -> dict[str, list[float | int | None]]:
        """Return the columns of `results.csv` for Ultralytics' checkpoint, as it does, without polars.

        The import of polars takes half a second in each training, and starts threads, so the fork server cannot do it.
        """
        if not self.csv.exists():
            return {}
        with self.csv.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        return {name: [_number(row[column]) for row in rows] for column, name in enumerate(header)}

    def preprocess_batch(self, batch: Any) -> Any:  # noqa: ANN401
        """Prepare a batch, and show it to the observer."""
        ready = super().preprocess_batch(batch)
        self.hooks.observer.input_ready(self, ready)
        return ready

    def optimizer_step(self) -> None:
        """Show the gradients to the observer, then step."""
        self.hooks.observer.step(self)
        super().optimizer_step()


def _number(text: str) -> float | int | None:
    """Return a value of `results.csv`, None where it is empty."""
    try:
        return int(text)
    except ValueError:
        return float(text) if text else None


@contextmanager
def hooked(hooks: Hooks) -> Iterator[None]:
    """Register hooks for the `StudyTrainer` of a block."""
    scratch = str(hooks.wanted["save_dir"])
    _here[scratch] = hooks
    try:
        yield
    finally:
        del _here[scratch]


def _hooks_of(scratch: str) -> Hooks:
    """Return the hooks of a training.

    Raises:
        TrialError: there is no such training.
    """
    if scratch not in _here:
        raise TrialError(f"{scratch}: must be the folder of a training that `automl.trainers.yolo.train` started")
    return _here[scratch]
