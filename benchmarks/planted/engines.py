"""Faults in the record of an engine, on a stand-in of a machine with TensorRT and a GPU of compute capability 9.0."""

import json
import logging
import sys
import unittest.mock
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from automl.apps.serve import backend
from automl.storage import engine_machine
from automl.storage.layout import ENGINE, ENGINE_FACTS, ONNX, VERDICT
from automl.study.engine_facts import EngineFacts
from automl.study.errors import RegistryError

INSTALLED: Final = "11.4.0"
LOADED: Final = "the engine was loaded"
FAULTS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "engine for another SM": ("compute capability 8.7", {"capabilities": ("8.7",)}),
    "engine of another TensorRT version": ("built by tensorrt 10.3.0", {"builder": "tensorrt 10.3.0"}),
    "engine for another platform": ("built for linux other", {"platform": "linux other"}),
}
"""Name to the reason that must be given, and what differs from an engine built on the machine."""


def refusal(folder: Path, **changes: object) -> str:
    """Return why the server does not run an engine with such a record beside the ONNX file in a folder.

    The stand-in loads no engine: a fault that is found only by loading counts as accepted.
    """
    plain: dict[str, Any] = {
        "builder": f"tensorrt {INSTALLED}", "capabilities": ("9.0",), "platform": engine_machine.here()
    }  # fmt: skip
    facts = EngineFacts(**plain | changes)
    made = {
        ONNX: (folder / ONNX).read_bytes(),
        ENGINE: b"engine",
        ENGINE_FACTS: json.dumps(facts.to_dict()).encode(),
        VERDICT: json.dumps({"engine": facts.builder, "engine_score": 0.5}).encode(),
    }
    said: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    backend.LOG.addHandler(listener)
    backend.LOG.setLevel(logging.INFO)
    with unittest.mock.patch.dict(sys.modules, {"tensorrt": _tensorrt(), engine_machine.CUDA: _cuda()}):
        backend.opened(folder, made.get)
    backend.LOG.removeHandler(listener)
    return "" if LOADED in said[0] else said[0]


def _tensorrt() -> SimpleNamespace:
    def load(_: bytes) -> None:
        raise RegistryError(LOADED)

    runtime = SimpleNamespace(deserialize_cuda_engine=load)
    logger = type("Logger", (), {"ERROR": 1, "__init__": lambda *_: None})
    return SimpleNamespace(__name__="tensorrt", __version__=INSTALLED, Runtime=lambda _: runtime, Logger=logger)


def _cuda() -> SimpleNamespace:
    kinds = SimpleNamespace(cudaDevAttrComputeCapabilityMajor=0, cudaDevAttrComputeCapabilityMinor=1)
    return SimpleNamespace(
        cudaDeviceAttr=kinds, cudaGetDeviceCount=lambda: (0, 1),
        cudaDeviceGetAttribute=lambda kind, _device: (0, (9, 0)[kind]),
    )  # fmt: skip
