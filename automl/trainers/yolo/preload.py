"""Imports of a training, ahead of it: in the process from which those of trainings are forked."""

import os
from importlib import import_module
from typing import Final

from automl.trainers.yolo.vendor import ultralytics

MODULES: Final = (
    "automl.trainers.yolo.train", "automl.trainers.yolo.trainer_class", "automl.trainers.yolo.pictures",
    "automl.trainers.yolo.recorder", "automl.trainers.yolo.weights", "automl.trainers.yolo.evaluation",
    "ultralytics.data.build", "ultralytics.nn.autobackend", "torch.optim", "torch.utils.data",
    "torch.distributed", "torch._dynamo", "scipy.spatial", "matplotlib.pyplot", "torchvision", "thop", "psutil",
    "multiprocessing.queues", "torch.utils.serialization",
    "ultralytics.utils.callbacks.platform", "ultralytics.utils.events",
)  # fmt: skip
"""What a training imports when it first uses it, beside Ultralytics itself (traced with `python -X importtime`)."""


def preload() -> None:
    """Import all that a training uses, without a use of the device."""
    os.environ["YOLO_VERBOSE"] = "true"  # read by its import: a training prints its progress to its log
    ultralytics()
    for module in MODULES:
        import_module(module)
