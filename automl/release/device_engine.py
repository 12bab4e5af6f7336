"""Engines of TensorRT: build one from an ONNX file, and run it, with NumPy, `tensorrt` and `cuda-bindings` alone.

A kit for a device contains this file as `engines.py`, so it needs Python 3.9 or later and imports nothing of automl.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

CUDA = "cuda.bindings.runtime"
Run = Callable[[Any], Any]


def plan(
    trt: Any,  # noqa: ANN401
    graph: Path,
    *,
    timings: Path | None = None,
    compatible: Sequence[str] = (),
    cards: Sequence[str] = (),
) -> bytes:
    """Return a strongly typed engine of an ONNX file, for the first GPU: its precision is that of the graph.

    Args:
        trt: The module that builds it: `tensorrt`, or `tensorrt_rtx`.
        graph: The ONNX file; a free batch axis becomes one image.
        timings: File of what TensorRT timed in earlier builds, which is used and written; None: nothing is kept.
        compatible: `hardware`: for any GPU from Ampere on; `version`: for later minor versions of TensorRT.
        cards: Compute capabilities, such as `SM89`, that `tensorrt_rtx` builds for in place of the first GPU.

    Raises:
        RuntimeError: the graph cannot be read, or no engine can be built.
    """
    builder = trt.Builder(trt.Logger(trt.Logger.WARNING))
    network = _network(trt, builder, graph)
    settings = _settings(trt, builder, compatible, cards)
    if timings is not None:
        use_timings(settings, timings)
    made = builder.build_serialized_network(network, settings)
    if made is None:
        raise RuntimeError(f"{graph}: {trt.__name__} could not build an engine; its log says why")
    if timings is not None:
        timings.write_bytes(bytes(settings.get_timing_cache().serialize()))
    return bytes(made)


def _network(trt: Any, builder: Any, graph: Path) -> Any:  # noqa: ANN401
    """Read an ONNX file; engines serve one image at a time, so a free batch axis becomes 1."""
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.WARNING))
    if not parser.parse_from_file(str(graph)):
        problems = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise RuntimeError(f"{graph}: {trt.__name__} could not read the graph: {problems}")
    entry = network.get_input(0)
    if entry.shape[0] < 0:
        entry.shape = (1, *entry.shape[1:])
    return network


def _settings(trt: Any, builder: Any, compatible: Sequence[str], cards: Sequence[str]) -> Any:  # noqa: ANN401
    settings = builder.create_builder_config()
    if cards:
        settings.num_compute_capabilities = len(cards)
        for index, card in enumerate(cards):
            settings.set_compute_capability(getattr(trt.ComputeCapability, card), index)
    if "hardware" in compatible:
        settings.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if "version" in compatible:
        settings.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    return settings


def use_timings(settings: Any, kept: Path) -> None:  # noqa: ANN401
    """Let a build of TensorRT use what it timed in earlier ones on such a device; it takes no file of another."""
    cache = settings.create_timing_cache(kept.read_bytes() if kept.is_file() else b"")
    settings.set_timing_cache(cache or settings.create_timing_cache(b""), False)  # noqa: FBT003


def facts(trt: Any, compatible: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401
    """Return what is recorded of an engine that was built for the first GPU of this machine."""
    cuda = import_module(CUDA)
    kinds = cuda.cudaDeviceAttr
    wanted = (kinds.cudaDevAttrComputeCapabilityMajor, kinds.cudaDevAttrComputeCapabilityMinor)
    major, minor = (done(cuda.cudaDeviceGetAttribute(kind, 0)) for kind in wanted)
    return {
        "builder": f"{trt.__name__} {trt.__version__}",
        "capabilities": [f"{int(major)}.{int(minor)}"],
        "hardware": "ampere_plus" if "hardware" in compatible else "none",
        "version_compatible": "version" in compatible,
        "platform": f"{platform.system().lower()} {platform.machine()}",
    }


def run_of(trt: Any, made: bytes, compatible: Sequence[str]) -> Run:  # noqa: ANN401
    """Return an engine on the first GPU as a function of a batch.

    Raises:
        RuntimeError: TensorRT or CUDA cannot load or run it.
    """
    cuda = import_module(CUDA)
    runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
    if "version" in compatible:  # it contains the runtime of its own version
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(made)
    if engine is None:
        raise RuntimeError("TensorRT cannot load the engine that it built; its log says why")
    context, stream = engine.create_execution_context(), done(cuda.cudaStreamCreate())
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    entry = next(name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)
    output = next(name for name in names if name != entry)
    hosts = {
        name: np.empty(tuple(engine.get_tensor_shape(name)), np.dtype(trt.nptype(engine.get_tensor_dtype(name))))
        for name in names
    }
    places = {name: done(cuda.cudaMalloc(host.nbytes)) for name, host in hosts.items()}
    for name, place in places.items():
        context.set_tensor_address(name, place)
    kinds = cuda.cudaMemcpyKind

    def run(batch: Any) -> Any:  # noqa: ANN401
        np.copyto(hosts[entry], batch, casting="same_kind")
        there, back = hosts[entry], hosts[output]
        source, target = there.ctypes.data, back.ctypes.data
        done(cuda.cudaMemcpyAsync(places[entry], source, there.nbytes, kinds.cudaMemcpyHostToDevice, stream))
        if not context.execute_async_v3(int(stream)):
            raise RuntimeError("TensorRT could not run the engine")
        done(cuda.cudaMemcpyAsync(target, places[output], back.nbytes, kinds.cudaMemcpyDeviceToHost, stream))
        done(cuda.cudaStreamSynchronize(stream))
        return back.copy()

    return run


def done(result: tuple[Any, ...]) -> Any:  # noqa: ANN401
    """Return the value of a call of CUDA.

    Raises:
        RuntimeError: it failed.
    """
    error, *values = result
    if int(error):
        raise RuntimeError(f"CUDA says {error}")
    return values[0] if values else None
