"""Ultralytics YOLO trainer: train, validate, export; the only package that imports Ultralytics and torch.

Satisfies `automl.trainers.Trainer`. Hooks in a trainer subclass, no patched source. Both vendors are imported when
first used: they cost seconds and half a gigabyte, which `automl status` should avoid, and network access must be
disabled before (offline.py).
"""

from automl.trainers.yolo.arguments import BATCH, batch_size, image_size, overrides
from automl.trainers.yolo.comparison import compare, unprovable
from automl.trainers.yolo.data_fit import misfits, scan_labels
from automl.trainers.yolo.dead_parameters import dead_parameters
from automl.trainers.yolo.defaults import plain_hyperparameters, resolve_auto
from automl.trainers.yolo.detect import detect
from automl.trainers.yolo.evaluation import evaluation, model_names
from automl.trainers.yolo.formats import edge_of, export_as, missing_for, outputs_as
from automl.trainers.yolo.gpu_meter import device_meter
from automl.trainers.yolo.models import model_mistake, packaged_mistake
from automl.trainers.yolo.object_features import object_features
from automl.trainers.yolo.pickle_scan import weights_mistake
from automl.trainers.yolo.preload import preload
from automl.trainers.yolo.settings import MANAGED, setting_mistake, settings
from automl.trainers.yolo.state_file import damage, epochs_done, write_weights
from automl.trainers.yolo.timing import TRAIN_BATCHES, VAL_BATCHES, gpu_count, measure
from automl.trainers.yolo.train import train
from automl.trainers.yolo.untrained import write_untrained
from automl.trainers.yolo.vendor import set_threads
from automl.trainers.yolo.weights import (
    export_onnx,
    has_cuda,
    judge,
    letterboxed,
    load,
    parameters,
    raw_outputs,
    strip,
    validate,
)

__all__ = [
    "BATCH", "MANAGED", "TRAIN_BATCHES", "VAL_BATCHES", "batch_size", "compare", "damage", "dead_parameters", "detect",
    "device_meter", "edge_of", "epochs_done", "evaluation", "export_as", "export_onnx", "gpu_count", "has_cuda",
    "image_size", "judge", "letterboxed", "load", "measure", "misfits", "missing_for", "model_mistake", "model_names",
    "object_features", "outputs_as", "overrides", "packaged_mistake", "parameters", "plain_hyperparameters", "preload",
    "raw_outputs", "resolve_auto", "scan_labels", "set_threads", "setting_mistake", "settings", "strip", "train",
    "unprovable", "validate", "weights_mistake", "write_untrained", "write_weights",
]  # fmt: skip
