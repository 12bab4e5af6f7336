"""Latency of a model on this machine: the time of one image in the model itself."""

from collections.abc import Callable

from automl.release import device_script
from automl.study import Latency

processor = device_script.processor


def measured(run: Callable[[], object], device: str) -> Latency:
    """Return the latency of `run`, a call with one image, after a warm-up: measured as the script of a device does."""
    return Latency(**device_script.latency(run, device))
