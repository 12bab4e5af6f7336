"""File formats of targets by name, as `targets.*.format` names them."""

from collections.abc import Mapping
from typing import Final

from automl.release import onnx_target, openvino_target, tensorrt_target
from automl.release.target_format import TargetFormat

FORMATS: Final[Mapping[str, TargetFormat]] = {
    "openvino": openvino_target, "onnx": onnx_target, "tensorrt": tensorrt_target
}  # fmt: skip
