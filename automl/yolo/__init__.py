"""Trains, validates and exports; the only package that knows Ultralytics and torch.

Callbacks only, no patched source. Both vendors are imported when first used: they cost seconds and half a gigabyte,
which `automl status` should not pay, and the doors to the network must be shut before (offline.py).
"""

from automl.yolo.checkpoint import damage, epochs_done, write_weights
from automl.yolo.defaults import plain_hyperparameters, resolve_auto
from automl.yolo.settings import MANAGED, packaged_model, setting_mistake, settings
from automl.yolo.timing import TRAIN_BATCHES, VAL_BATCHES, Timing, gpu_count, measure
from automl.yolo.training import BATCH, OnEpoch, overrides, train
from automl.yolo.trust import weights_mistake
from automl.yolo.vendor import set_threads
from automl.yolo.weights import (
    export_onnx,
    has_cuda,
    judge,
    letterboxed,
    load,
    parameters,
    predict,
    raw_outputs,
    scan_labels,
    strip,
    validate,
)

__all__ = [
    "BATCH", "MANAGED", "TRAIN_BATCHES", "VAL_BATCHES", "OnEpoch", "Timing", "damage", "epochs_done", "export_onnx",
    "gpu_count", "has_cuda", "judge", "letterboxed", "load", "measure", "overrides", "packaged_model", "parameters",
    "plain_hyperparameters", "predict", "raw_outputs", "resolve_auto", "scan_labels", "set_threads",
    "setting_mistake", "settings", "strip", "train", "validate", "weights_mistake", "write_weights",
]  # fmt: skip
