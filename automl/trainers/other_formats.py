"""Optional part of a trainer: its weights in another shape or in the file format of another runtime."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from automl.study import EvalSettings

STRIDE: Final = 32
"""Height and width of an input are multiples of it: the largest stride of the shipped detectors."""
OPENVINO_FOLDER: Final = "_openvino_model"
"""Ending of the folder by which Ultralytics knows an OpenVINO model."""
OPENVINO_FP32: Final = {"INFERENCE_PRECISION_HINT": "f32"}
"""On a CPU with bfloat16 OpenVINO would compute in it whatever the model's precision is, so that the same file would
find other boxes on another CPU than the one it was measured on (decision 67)."""


@dataclass(frozen=True, slots=True)
class Form:
    """What is written: the file format, and the shape of the model's input."""

    format: str
    """`onnx`, `coreml`, `litert`, `rknn` or `ncnn`."""
    height: int
    width: int
    """Of the input, in pixels; both are multiples of `STRIDE`."""
    dynamic: bool = False
    """Whether the batch axis is free; it is 1 otherwise. ONNX alone."""
    chip: str = ""
    """Name of the device for a format that is built for one, such as `rk3588`."""


@runtime_checkable
class OtherFormats(Protocol):
    """A trainer that can export weights by the record of their evaluation, without their data set."""

    def missing_for(self, form: Form) -> str:
        """Return why this machine cannot write a format, with the remedy; empty where it can."""
        ...

    def edge_of(self, weights: Path) -> int:
        """Return the edge of the square images that weights were trained on, in pixels.

        Raises:
            TrialError: the file is not to be trusted.
        """
        ...

    def export_as(self, weights: Path, record: EvalSettings, form: Form) -> Path:
        """Write weights in a form beside them; return the file or folder.

        Raises:
            ExportError: the exporter refuses.
        """
        ...

    def outputs_as(
        self, weights: Path, record: EvalSettings, form: Form, images: Sequence[Path]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return images letterboxed to a form's input, n x channels x height x width, and the outputs of weights.

        Raises:
            ExportError: no image can be read.
        """
        ...
