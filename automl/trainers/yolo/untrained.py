"""Untrained weights of a job: the network that a training of it starts with, for its latency and size."""

from pathlib import Path

from automl.study import Job
from automl.study.errors import TrialError
from automl.trainers.yolo.arguments import overrides
from automl.trainers.yolo.data_fit import built
from automl.trainers.yolo.evaluation import evaluation


def write_untrained(path: Path, job: Job) -> None:
    """Write stripped weights of a job's network, with a head for the classes of its data, as Ultralytics builds it.

    Raises:
        TrialError: the model is no detector, or may run code.
    """
    import torch
    from ultralytics.nn.tasks import DetectionModel

    record, model = evaluation(job), str(overrides(job, job.folder)["model"])
    try:
        network = DetectionModel(built(model).yaml, ch=record.channels, nc=len(record.names), verbose=False)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrialError(f"{model}: cannot be built as a detector: {error}") from error
    network.names = dict(record.names)
    torch.save({"model": network.half(), "train_args": {"task": "detect", "imgsz": record.imgsz}}, path)
