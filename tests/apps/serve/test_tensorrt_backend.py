"""TensorRT as a backend, with a stand-in for its modules and for CUDA: chosen by what the machine has, or why not."""

import ctypes
import gc
import json
import logging
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

from automl.apps.registry import Registry
from automl.apps.serve.backend import opened
from automl.apps.serve.detector import Detector
from automl.apps.serve.thresholds import Thresholds
from automl.storage.engine_machine import here, recorded, unusable
from automl.storage.registry import Registry as StoredRegistry
from automl.study.engine_facts import EngineFacts
from tests import detectors
from tests.apps.serve.test_openvino_backend import picture

VERSION = "11.4.0"
SHAPES: Mapping[str, tuple[int, ...]] = {"images": (1, 3, 64, 64), "output0": (1, 7, 64)}


class Context:
    """Runs the ONNX file on the memory that was set."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.places: dict[str, int] = {}

    def set_tensor_address(self, name: str, place: int) -> bool:
        self.places[name] = place
        return True

    def execute_async_v3(self, _stream: int) -> bool:
        entry, output = (self.tensor(name) for name in SHAPES)
        output[:] = self.session.run(None, {"images": entry})[0]
        return True

    def tensor(self, name: str) -> np.ndarray:
        count = int(np.prod(SHAPES[name]))
        pointer = ctypes.cast(self.places[name], ctypes.POINTER(ctypes.c_float))
        return np.ctypeslib.as_array(pointer, (count,)).reshape(SHAPES[name])


class Cuda:
    """The calls of the CUDA runtime, on main memory."""

    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)  # noqa: N815

    cudaDeviceAttr = SimpleNamespace(  # noqa: N815
        cudaDevAttrComputeCapabilityMajor=0, cudaDevAttrComputeCapabilityMinor=1
    )

    def __init__(self, gpus: int, capability: tuple[int, int] = (9, 0)) -> None:
        self.gpus = gpus
        self.capability = capability
        self.held: dict[int, Any] = {}
        self.loaded: list[bytes] = []
        self.freed = 0

    def cudaGetDeviceCount(self) -> tuple[int, int]:  # noqa: N802
        return (0, self.gpus) if self.gpus else (100, 0)

    def cudaDeviceGetAttribute(self, kind: int, _device: int) -> tuple[int, int]:  # noqa: N802
        return 0, self.capability[kind]

    def cudaStreamCreate(self) -> tuple[int, int]:  # noqa: N802
        return 0, 7

    def cudaStreamSynchronize(self, _stream: int) -> tuple[int]:  # noqa: N802
        return (0,)

    def cudaMalloc(self, size: int) -> tuple[int, int]:  # noqa: N802
        memory = ctypes.create_string_buffer(size)
        self.held[ctypes.addressof(memory)] = memory
        return 0, ctypes.addressof(memory)

    def cudaFree(self, _place: int) -> tuple[int]:  # noqa: N802
        self.freed += 1
        return (0,)

    def cudaMemcpyAsync(self, target: int, source: int, size: int, kind: int, _stream: int) -> tuple[int]:  # noqa: N802
        assert (target if kind == 1 else source) in self.held
        ctypes.memmove(target, source, size)
        return (0,)


def machine(
    monkeypatch: pytest.MonkeyPatch,
    graph: Path,
    *,
    gpus: int = 1,
    version: str = VERSION,
    capability: tuple[int, int] = (9, 0),
) -> Cuda:
    """Give this machine a TensorRT, and GPUs; a plan that begins with `bad` is for another one."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    engine = SimpleNamespace(
        num_io_tensors=2, get_tensor_name=lambda index: [*SHAPES][index], get_tensor_shape=SHAPES.__getitem__,
        get_tensor_mode=lambda name: "in" if name == "images" else "out", get_tensor_dtype=lambda _: "FLOAT",
        create_execution_context=lambda: Context(session),
    )  # fmt: skip
    loaded: list[bytes] = []

    def deserialize(plan: bytes) -> Any:
        loaded.append(plan)
        return None if plan.startswith(b"bad") else engine

    runtime = SimpleNamespace(deserialize_cuda_engine=deserialize)
    logger = SimpleNamespace(ERROR=1)
    module = SimpleNamespace(
        __name__="tensorrt", __version__=version, Runtime=lambda _: runtime, nptype=lambda _: np.float32,
        Logger=type("Logger", (), {"ERROR": logger.ERROR, "__init__": lambda *_: None}),
        TensorIOMode=SimpleNamespace(INPUT="in"),
    )  # fmt: skip
    cuda = Cuda(gpus, capability)
    cuda.loaded = loaded
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", cuda)
    return cuda


def files(
    folder: Path, *, plan: bytes = b"plan", score: float | None = 0.5, facts: EngineFacts | None = None
) -> dict[str, bytes]:
    graph = detectors.saved(folder / "model.onnx").read_bytes()
    verdict = json.dumps({"engine": f"tensorrt {VERSION}", "engine_score": score}).encode()
    made = {"model.onnx": graph, "model.engine": plan, "promotion.json": verdict}
    return made | ({"engine.json": json.dumps(facts.to_dict()).encode()} if facts else {})


def built_here(**changes: Any) -> EngineFacts:
    """Return the facts of an engine for the GPU of `machine`, but for the changes."""
    plain: dict[str, Any] = {"builder": f"tensorrt {VERSION}", "capabilities": ("9.0",), "platform": here()}
    return EngineFacts(**plain | changes)


def test_the_engine_serves_where_its_tensorrt_and_a_gpu_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files(tmp_path)
    cuda = machine(monkeypatch, tmp_path / "model.onnx")
    backend = opened(tmp_path, made.get)
    assert backend.source.endswith("model.engine")
    ours, theirs = Detector(backend), Detector(opened(tmp_path, {"model.onnx": made["model.onnx"]}.get))
    assert ours.provider == f"TensorRT {VERSION}"
    wanted = Thresholds(conf=0.5)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(partial(ours.detect, wanted=wanted), map(picture, range(24))))
    assert found == [theirs.detect(picture(seed), wanted) for seed in range(24)]
    del ours, backend
    gc.collect()
    assert cuda.freed == len(cuda.held) >= 2


@pytest.mark.parametrize(
    ("machine_has", "why"),
    [
        ({"gpus": 0}, "this machine has no CUDA GPU"),
        ({"version": "10.3"}, f"it was built by tensorrt {VERSION}, but tensorrt 10.3 is installed"),
        ({"plan": b"bad"}, f"must be an engine for this GPU and tensorrt {VERSION}, but cannot be loaded"),
        ({"score": None}, "it was not measured where it was built"),
    ],
)
def test_else_the_onnx_file_serves_and_the_log_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    machine_has: dict[str, Any],
    why: str,
) -> None:
    caplog.set_level(logging.INFO)
    made = files(tmp_path, **{key: machine_has[key] for key in machine_has.keys() & {"plan", "score"}})
    machine(
        monkeypatch,
        tmp_path / "model.onnx",
        **{key: machine_has[key] for key in machine_has.keys() & {"gpus", "version"}},
    )
    assert opened(tmp_path, made.get).source.endswith("model.onnx")
    (message,) = caplog.messages
    assert "model.engine does not serve on this machine, model.onnx does: " in message
    assert message.endswith(why)


@pytest.mark.parametrize(
    ("facts", "machine_has", "why"),
    [
        ({}, {}, ""),
        (
            {}, {"capability": (8, 7)},
            "it was built for compute capability 9.0, but the GPU of this machine has 8.7",
        ),
        ({"hardware": "ampere_plus", "capabilities": ("8.6",)}, {}, ""),
        (
            {"hardware": "ampere_plus", "capabilities": ("8.6",)}, {"capability": (7, 5)},
            "it was built for compute capability 8.0 or more, but the GPU of this machine has 7.5",
        ),
        ({}, {"version": "11.5.0"}, "it was built by tensorrt 11.4.0, but tensorrt 11.5.0 is installed"),
        ({"version_compatible": True}, {"version": "11.5.0"}, ""),
        (
            {"version_compatible": True}, {"version": "12.0"},
            "it was built by tensorrt 11.4.0, for later versions of 11, but tensorrt 12.0 is installed",
        ),
        ({"platform": "linux other"}, {}, f"it was built for linux other, but this machine is {here()}"),
        ({"builder": "tensorrt 9.9"}, {}, "its builder is not recorded"),
    ],
)  # fmt: skip
def test_an_engine_for_another_machine_is_refused_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], machine_has: dict[str, Any], why: str
) -> None:
    made = files(tmp_path, facts=built_here(**facts))
    cuda = machine(monkeypatch, tmp_path / "model.onnx", **machine_has)
    found = unusable(*recorded(made["promotion.json"], made["engine.json"])[:1], score=0.5)
    served = opened(tmp_path, made.get)
    assert served.source.endswith("model.onnx" if why else "model.engine")
    assert cuda.loaded == ([] if why else [b"plan"])
    assert found == why


def test_verify_says_why_the_engine_of_the_champion_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = files(tmp_path, facts=built_here())
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    held = StoredRegistry(tmp_path / "models", "boards")
    held.publish({name: tmp_path / name for name in made}, {})
    held.promote(1, why="first")
    machine(monkeypatch, tmp_path / "model.onnx", capability=(7, 5))
    (note,) = Registry(held.folder).verify().notes
    assert note.endswith("does not serve on this machine, model.onnx does: it was built for compute capability 9.0, "
                         "but the GPU of this machine has 7.5")  # fmt: skip
