"""Detections of weights in images, with low confidences too, for the label audit."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.data.audit.records import Detections
from automl.data.audit.thresholds import LEAST_CONF
from automl.study import Job
from automl.trainers.yolo.arguments import overrides
from automl.trainers.yolo.evaluation import evaluation, validation_arguments
from automl.trainers.yolo.pickle_scan import refuse_strange
from automl.trainers.yolo.vendor import ultralytics

CHUNK: Final = 8
"""Images read and predicted at a time."""


def detect(weights: Path, job: Job, images: Sequence[Path]) -> Iterator[Detections]:
    """Yield the detections in each image, read and letterboxed as a validation does; none for an unreadable image.

    Raises:
        TrialError: the file is not to be trusted.
    """
    vendor = ultralytics()
    from ultralytics.utils.patches import imread

    refuse_strange(weights)
    model = vendor.YOLO(weights, task="detect")
    arguments = validation_arguments(evaluation(job)) | {"conf": LEAST_CONF}
    device = overrides(job, weights.parent)["device"]
    for start in range(0, len(images), CHUNK):
        pixels = [imread(str(path)) for path in images[start : start + CHUNK]]
        read = [picture for picture in pixels if picture is not None]
        results = iter(model.predict(read, **arguments, rect=False, device=device, verbose=False) if read else [])
        for picture in pixels:
            yield NOTHING if picture is None else _detections(next(results))


def _detections(result: Any) -> Detections:  # noqa: ANN401
    boxes = result.boxes
    return Detections(
        boxes=boxes.xyxyn.double().cpu().numpy().reshape(-1, 4),
        conf=boxes.conf.double().cpu().numpy(),
        kind=boxes.cls.long().cpu().numpy(),
    )


NOTHING: Final = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))
