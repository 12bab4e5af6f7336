"""Weights in other shapes and file formats, by Ultralytics' exporters; nothing is installed at run time."""

import math
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from automl.study import EvalSettings
from automl.study.errors import ExportError
from automl.trainers.other_formats import STRIDE, Form
from automl.trainers.yolo import weights as own
from automl.trainers.yolo.pickle_scan import refuse_strange
from automl.trainers.yolo.vendor import ultralytics

PACKAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "onnx": {},
    "coreml": {"coremltools": "coremltools>=9.0"},
    "litert": {"litert_torch": "litert-torch>=0.10.0", "ai_edge_litert": "ai-edge-litert>=2.3.0"},
    "rknn": {"rknn": "rknn-toolkit2>=2.3.2,<2.5"},
    "ncnn": {"ncnn": "ncnn", "pnnx": "pnnx==20260526"},
}
"""Format to module and requirement of the packages that Ultralytics' exporter imports."""
BATCH: Final = "batch"
EDGE: Final = 640
"""Of weights that do not tell theirs, as in Ultralytics."""
MOST_EDGE: Final = 4096
FAILURES: Final = (RuntimeError, ValueError, TypeError, LookupError, ImportError, AssertionError, AttributeError)


def missing_for(form: Form) -> str:
    """Return why this machine cannot write a format; empty where it can."""
    if form.format == "rknn" and sys.platform != "linux":
        return "RKNN files can be written on Linux only; export there"
    missing = [wanted for module, wanted in PACKAGES[form.format].items() if find_spec(module) is None]
    if not missing:
        return ""
    quoted = " ".join(f"'{one}'" for one in missing)
    return f"{form.format} needs {' and '.join(missing)}, which this environment lacks; pip install {quoted}"


def edge_of(weights: Path) -> int:
    """Return the edge of the square images that weights were trained on, a multiple of the stride.

    Raises:
        TrialError: the file is not to be trusted.
    """
    refuse_strange(weights)
    found = ultralytics().YOLO(weights, task="detect").overrides.get("imgsz", EDGE)
    edge = found if isinstance(found, int) and 0 < found <= MOST_EDGE else EDGE
    return STRIDE * math.ceil(edge / STRIDE)


def export_as(weights: Path, record: EvalSettings, form: Form) -> Path:
    """Write weights in a form beside them; return the file or folder.

    Raises:
        ExportError: Ultralytics' exporter refuses.
    """
    refuse_strange(weights)
    onnx_only = {"dynamic": form.dynamic, "simplify": True} if form.format == "onnx" else {}
    try:
        found = (
            ultralytics()
            .YOLO(weights, task="detect")
            .export(
                format=form.format, imgsz=(form.height, form.width), device="cpu", verbose=False,
                max_det=record.max_det, agnostic_nms=record.agnostic_nms, nms=None if record.nms else False,
                **onnx_only, **({"name": form.chip} if form.chip else {}),
            )
        )  # fmt: skip
    except FAILURES as error:
        raise ExportError(f"{weights}: {form.format} export failed: {error}") from error
    if form.dynamic:
        fix_size(Path(found), form.height, form.width)
    return Path(found)


def fix_size(exported: Path, height: int, width: int) -> None:
    """Fix height and width of an ONNX file whose axes are all free, so that the batch alone is.

    Ultralytics frees all three; with fixed edges the anchors of the boxes are constants again.
    """
    import onnxslim  # type: ignore[import-untyped]

    model = onnx.load(exported)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    dims[2].dim_value, dims[3].dim_value = height, width
    del model.graph.value_info[:]
    for dim in model.graph.output[0].type.tensor_type.shape.dim:
        dim.Clear()
    model = onnxslim.slim(model)
    for end in (model.graph.input[0], model.graph.output[0]):
        end.type.tensor_type.shape.dim[0].dim_param = BATCH
    onnx.save(model, exported)


def outputs_as(
    weights: Path, record: EvalSettings, form: Form, images: Sequence[Path]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return images letterboxed to a form's input, and the outputs of weights for them.

    Raises:
        ExportError: no image can be read.
    """
    pictures = own.letterboxed_to(images, (form.height, form.width), channels=record.channels)
    if not len(pictures):
        raise ExportError(f"{weights.parent}: must contain a readable image for the comparison, but has none")
    return pictures, own.outputs_of(weights, pictures, record)
