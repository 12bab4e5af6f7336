"""Laws of the targets: precisions that a format has, and names of Ray's resources."""

from collections.abc import Iterator, Mapping
from typing import Final

from automl.study.messages import shown
from automl.study.spec_parts import TargetSpec

COUNTED: Final = frozenset({"CPU", "GPU", "memory", "object_store_memory"})
"""Resources that every node has or that Ray counts by itself: they name no device."""


def target_mistakes(targets: Mapping[str, TargetSpec]) -> Iterator[str]:
    """Yield what is wrong with the targets of a description.

    >>> [*target_mistakes({"orin": TargetSpec(format="onnx", precision="fp32")})]  # doctest: +ELLIPSIS
    ['targets.orin.precision: must be fp16 or int8 for format onnx, but got fp32, which model.onnx has...']
    """
    for name, one in targets.items():
        if one.format == "onnx" and one.precision == "fp32":
            yield (
                f"targets.{name}.precision: must be fp16 or int8 for format onnx, but got fp32, which model.onnx has; "
                f"--set targets.{name}.precision=fp16"
            )
        if one.compatible and one.format == "openvino":
            yield (
                f"targets.{name}.compatible: must be empty for format openvino, since it is about engines of TensorRT, "
                f"but got {shown(one.compatible)}; remove it, or set targets.{name}.format to tensorrt or onnx"
            )
        if one.resource in COUNTED:
            yield (
                f"targets.{name}.resource: must be a resource that only nodes with the device have, such as orin or "
                f"accelerator_type:L4, but got {shown(one.resource)}"
            )
