"""Detector: an ONNX model in ONNX Runtime with letterbox and non-maximum suppression in OpenCV and NumPy."""

import ast
import os
from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from automl.apps.serve.postprocess import detections, letterbox, to_picture
from automl.apps.serve.thresholds import Thresholds
from automl.study.errors import RegistryError

PROVIDERS: Final = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""Execution providers in order of preference; the first that this build of ONNX Runtime has is used."""
PADDING: Final = 114
THREADS: Final = 1
"""Threads of ONNX Runtime for one image. Requests run side by side, one a core (`workers`), so more threads would make
them wait for each other; they do not spin between requests."""
MOST_WORKERS: Final = 4


class Detector:
    """A loaded detection model; safe to call from several threads."""

    def __init__(self, content: bytes, *, source: str) -> None:
        """Load the bytes of an ONNX file and run it once.

        Raises:
            RegistryError: they are not a detection model that can be served.
        """
        self._session = _session(content, source)
        entry, output = self._session.get_inputs()[0], self._session.get_outputs()[0]
        metadata = self._session.get_modelmeta().custom_metadata_map
        if len(entry.shape) != 4 or entry.shape[1] != 3 or not all(type(edge) is int for edge in entry.shape):
            raise RegistryError(f"{source}: must have an input of 1 x 3 x height x width, but has {entry.shape}")
        if metadata.get("task", "detect") != "detect" or entry.shape[2] != entry.shape[3]:
            raise RegistryError(
                f"{source}: must be a detector of square images, but is {metadata.get('task')} at {entry.shape[2:]}"
            )
        self._entry, self.size = entry.name, int(entry.shape[2])
        self._type = np.float16 if entry.type == "tensor(float16)" else np.float32
        self._end_to_end = metadata.get("end2end") == "True" or output.shape[-1] == 6
        self.names = _names(metadata, source)
        self.detect(np.zeros((self.size, self.size, 3), np.uint8), Thresholds())

    @property
    def provider(self) -> str:
        """Return the execution provider that runs the model."""
        return str(self._session.get_providers()[0])

    def detect(self, picture: NDArray[Any], wanted: Thresholds) -> list[dict[str, Any]]:
        """Return the boxes in a BGR picture: name, confidence, and x0, y0, x1, y1 in its pixels."""
        shape = (picture.shape[0], picture.shape[1])
        output = self._session.run(
            None, {self._entry: letterboxed(picture, size=self.size).astype(self._type, copy=False)}
        )[0][0]
        rows = to_picture(detections(output, wanted, end_to_end=self._end_to_end), shape, size=self.size)
        return [
            {
                "name": self.names.get(int(row[5]), str(int(row[5]))),
                "confidence": round(row[4], 4),
                "box": [round(edge, 1) for edge in row[:4]],
            }
            for row in rows.tolist()
        ]


def letterboxed(picture: NDArray[Any], *, size: int) -> NDArray[np.float32]:
    """Return a BGR picture as 1 x 3 x size x size, RGB, 0..1: letterboxed, centred on grey, as in evaluation."""
    inner, (left, top) = letterbox((picture.shape[0], picture.shape[1]), size=size)
    if (picture.shape[1], picture.shape[0]) != inner:
        picture = cv2.resize(picture, inner, interpolation=cv2.INTER_LINEAR)
    square = np.full((3, size, size), PADDING, np.uint8)
    square[:, top : top + inner[1], left : left + inner[0]] = picture.transpose(2, 0, 1)[::-1]
    return np.divide(square, np.float32(255), dtype=np.float32)[None]


def workers() -> int:
    """Return the number of concurrent requests: one a core, at most 4, since each keeps a decoded image in memory."""
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def _session(content: bytes, source: str) -> Any:  # noqa: ANN401
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = THREADS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = [name for name in PROVIDERS if name in onnxruntime.get_available_providers()]
    failures = onnxruntime.capi.onnxruntime_pybind11_state
    try:
        return onnxruntime.InferenceSession(content, options, providers=providers)
    except (failures.Fail, failures.InvalidProtobuf, failures.InvalidGraph, failures.InvalidArgument,
            failures.NotImplemented, failures.RuntimeException) as error:  # fmt: skip
        raise RegistryError(f"{source}: must be a model that ONNX Runtime can load, but {error}") from None


def _names(metadata: Mapping[str, str], source: str) -> dict[int, str]:
    try:
        found = ast.literal_eval(metadata.get("names", "{}"))
        return {int(number): str(name) for number, name in found.items()}
    except (ValueError, SyntaxError, AttributeError):
        raise RegistryError(
            f"{source}: must contain its class names, but contains {metadata['names'][:100]!r}"
        ) from None
