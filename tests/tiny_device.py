"""Devices of the tiny trainer: none; `tests.packed_trainer` has a stand-in GPU."""

from automl.study.errors import TrialError
from automl.trainers.device_meter import DeviceMeter


def device_meter() -> DeviceMeter:
    raise TrialError("this trainer uses no GPU")


def gpu_count() -> int:
    return 0


def has_cuda() -> bool:
    return False
