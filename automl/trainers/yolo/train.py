"""One training of a job by Ultralytics, from the start or resumed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from automl.study import Job
from automl.trainers.protocol import OnEpoch
from automl.trainers.yolo import out_of_memory
from automl.trainers.yolo.hooks import Hooks
from automl.trainers.yolo.pickle_scan import refuse_strange
from automl.trainers.yolo.vendor import named, ultralytics

Callback = Callable[[Any], None]
"""Callback with Ultralytics' trainer or validator as argument."""

NONE: Final[Mapping[str, Callback]] = {}


def train(
    job: Job, scratch: Path, *, state: Path | None, on_epoch: OnEpoch, callbacks: Mapping[str, Callback] = NONE
) -> dict[str, float]:
    """Train to the last epoch and return the metrics of the evaluated `best.pt`.

    Validates after the epochs that the job names; between them `on_epoch` gets the training's losses and rates alone.
    Leaves stripped `weights/last.pt` and `weights/best.pt` in `scratch`. With a `state` the training resumes after
    the epoch it was saved at, as if it had never been interrupted (resume.py documents the limits). `callbacks` maps
    Ultralytics' events to additional callbacks; none of them runs in a training on several GPUs.

    Raises:
        TrialError: a loss or metric is not finite, memory ran out, or a setting was not applied.
        DataError: Ultralytics left out images that were staged.
    """
    vendor = ultralytics()
    from automl.trainers.yolo.trainer_class import StudyTrainer, hooked

    hooks = Hooks.of(job, scratch, state=state, on_epoch=on_epoch)
    for value in hooks.wanted.values():
        refuse_strange(value)
    model = vendor.YOLO(hooks.wanted["model"], task="detect")
    for event, callback in callbacks.items():
        model.add_callback(event, callback)
    with (
        out_of_memory.named(lambda: model.trainer.batch_size if model.trainer else hooks.requested_batch),
        hooked(hooks),
    ):
        model.train(trainer=StudyTrainer, **hooks.wanted)
    return named(model.trainer.metrics or {})  # rank 0 alone has metrics
