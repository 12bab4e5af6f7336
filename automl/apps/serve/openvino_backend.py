"""OpenVINO as an inference backend: the artifact of a target in a registry version."""

import json
import os
import threading
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from automl.apps.serve.backend import Array
from automl.release import openvino_models
from automl.study.errors import RegistryError

DEVICE = "CPU"


class OpenVino:
    """A model in OpenVINO on the CPU; each thread has an inference request of its own."""

    def __init__(self, graph: bytes, weights: bytes, record: bytes, *, source: str) -> None:
        """Load the bytes of an .xml file and of the .bin and the .json beside it.

        Raises:
            RegistryError: OpenVINO is not installed, or cannot load them.
        """
        if find_spec("openvino") is None:
            raise RegistryError(
                f"{source}: needs openvino, which is not installed; pip install 'yolo-automl-ray[openvino]'"
            )
        openvino = import_module("openvino")
        streams = len(os.sched_getaffinity(0))
        settings = {**openvino_models.HINT, "NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams}
        try:
            model = openvino.Core().read_model(model=graph, weights=weights)
            self._compiled = openvino.Core().compile_model(model, DEVICE, settings)
            self.metadata: Mapping[str, str] = json.loads(record)["metadata"]
            self.shape: tuple[Any, ...] = tuple(self._compiled.input(0).shape)
        except (RuntimeError, ValueError, LookupError, TypeError) as error:
            raise RegistryError(f"{source}: must be a model that OpenVINO can load, but {_first(error)}") from None
        self.source = source
        self.provider = f"OpenVINO {openvino.__version__.partition('-')[0]} on {DEVICE}"
        self._own = threading.local()

    def run(self, batch: Array) -> Array:
        """Return the first output for a batch.

        Raises:
            RegistryError: OpenVINO cannot run the model.
        """
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        try:
            found = self._own.request.infer([batch])[0]
        except (RuntimeError, ValueError) as error:
            raise RegistryError(f"{self.source}: must be a model that OpenVINO can run, but {_first(error)}") from None
        return np.array(found, np.float32)  # a copy: the request writes the next output to the same place


def _first(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
