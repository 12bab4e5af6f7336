"""OpenVINO and NNCF: read, write, compile and quantize a model. The only module that imports either."""

import os
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.trainers.other_formats import OPENVINO_FP32

PACKAGES: Final = ("openvino", "nncf")
Model = Any
"""An `openvino.Model`."""
DEVICE: Final = "CPU"
HINT: Final = {"PERFORMANCE_HINT": "LATENCY", **OPENVINO_FP32}
"""Settings of each compilation."""


def missing() -> list[str]:
    """Return the packages that are not installed."""
    return [name for name in PACKAGES if find_spec(name) is None]


def builder() -> str:
    """Return program and version."""
    return f"openvino {import_module('openvino').__version__.partition('-')[0]}"


def device() -> str:
    """Return the name of the processor that models are measured on."""
    return str(import_module("openvino").Core().get_property(DEVICE, "FULL_DEVICE_NAME"))


def read(onnx: Path) -> Model:
    """Return the model in an ONNX file, for one image where the batch axis is free."""
    model = import_module("openvino").Core().read_model(str(onnx))
    shape = model.inputs[0].partial_shape
    if shape.is_dynamic:
        model.reshape([1, *(shape[axis].get_length() for axis in range(1, len(shape)))])
    return model


def save(model: Model, path: Path, *, half: bool) -> None:
    """Write a model as `path` (.xml) and its weights as .bin beside it; with `half` weights in FP16."""
    import_module("openvino").save_model(model, str(path), compress_to_fp16=half)


def compiled(model: Model) -> Any:  # noqa: ANN401
    """Return a model as a function of one batch on the CPU."""
    return import_module("openvino").Core().compile_model(model, DEVICE, HINT)


def quantize(model: Model, calibration: NDArray[np.float32], *, except_for: Sequence[str]) -> Model:
    """Return a model in INT8, calibrated on inputs, n x channels x height x width.

    The nodes whose names match one of the patterns `except_for` stay in floating point.

    Weights stay as they are, with a quantizing node behind each, so that parts can be taken back; see `compressed`.
    """
    os.environ["NNCF_CI"] = "1"  # else NNCF reports its use over the network
    nncf = import_module("nncf")
    return nncf.quantize(
        model,
        nncf.Dataset([picture[None] for picture in calibration]),
        preset=nncf.QuantizationPreset.MIXED,  # asymmetric activations, since SiLU has negative values
        subset_size=len(calibration),
        ignored_scope=nncf.IgnoredScope(patterns=list(except_for), validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(backend_params={"compress_weights": False}),
    )


def compressed(model: Model) -> Model:
    """Store the weights behind quantizing nodes as 8-bit numbers, in place."""
    import_module("openvino._offline_transformations").compress_quantize_weights_transformation(model)
    return model
