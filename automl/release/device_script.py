"""Builds and measures a model on the device that will run it, from the folder of this file alone: `python build.py`.

Needs Python 3.9 or later, NumPy, and the runtime that `kit.json` names: `onnxruntime`, `openvino`, or `tensorrt` with
`cuda-bindings`. Writes the folder `built` beside this file: the engine, if one is built, the raw
outputs for the pictures of the kit, and `result.json` with latency and machine, sealed by SHA-256. Take the whole
folder back: `automl device-built`.
"""

import argparse
import hashlib
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
KIT, BUILT, RESULT, OUTPUTS, ENGINE = "kit.json", "built", "result.json", "outputs.npy", "model.engine"
REPEATS, MOST_RUNS, FEWEST_RUNS, WARM_UP, MOST_SECONDS = 3, 100, 20, 10, 10.0
"""Of a repeat at most `MOST_SECONDS`: a slow model runs less often, at least `FEWEST_RUNS` times."""
CUDA = "cuda.bindings.runtime"
Run = Callable[[Any], Any]
Made = tuple[Run, str, str, dict[str, Any]]
"""Function of a picture, builder, device, facts of an engine."""


def main() -> None:
    """Build, run and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--hardware-compatible", action="store_true", help="TensorRT: for any GPU from Ampere on; slower"
    )
    parser.add_argument("--version-compatible", action="store_true", help="TensorRT: for later minor versions; larger")
    given = parser.parse_args()
    kit = read_kit()
    folder = HERE / BUILT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    run, builder, device, engine = MAKERS[kit["runtime"]](folder, given)
    pictures = np.load(HERE / "pictures.npy", allow_pickle=False)
    inputs = [np.divide(picture, np.float32(255), dtype=np.float32)[None] for picture in pictures]
    np.save(folder / OUTPUTS, np.concatenate([np.asarray(run(one), np.float32) for one in inputs]))
    found: dict[str, Any] = {
        "format": 1, "kit": digest(HERE / KIT), "builder": builder, "engine": engine or None,
        "latency_ms": latency(lambda: run(inputs[0]), device), "machine": machine(),
        "files": {path.name: digest(path) for path in sorted(folder.iterdir())},
    }  # fmt: skip
    (folder / RESULT).write_text(json.dumps({**found, "seal": seal(found)}, indent=2) + "\n", encoding="utf-8")
    timed = found["latency_ms"]
    sys.stdout.write(f"{folder}: {builder}, {timed['p50']:.2f} ms an image (p50) on {device}\n")


def read_kit() -> dict[str, Any]:
    """Return the order, after a check of every file of the kit."""
    kit: dict[str, Any] = json.loads((HERE / KIT).read_text(encoding="utf-8"))
    for name, wanted in kit["files"].items():
        if not (HERE / name).is_file() or digest(HERE / name) != wanted:
            sys.exit(f"{HERE / name}: must be the file of the kit, but is missing or changed; copy the folder again")
    return kit


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def seal(result: dict[str, Any]) -> str:
    """Return the SHA-256 of a result's text with sorted keys."""
    return hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()


def machine() -> dict[str, str]:
    """Return what identifies the machine."""
    return {
        "name": platform.node(), "platform": f"{platform.system().lower()} {platform.machine()}",
        "python": platform.python_version(), "numpy": np.__version__,
    }  # fmt: skip


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def latency(run: Callable[[], Any], device: str) -> dict[str, Any]:
    """Return p50, p95, p99 in milliseconds, and the spread of the repeats' medians, after a warm-up."""
    first = min(times(run, WARM_UP))
    count = int(min(max(1000 * MOST_SECONDS / max(first, 1e-6), FEWEST_RUNS), MOST_RUNS))
    repeats = [times(run, count) for _ in range(REPEATS)]
    medians = np.median(repeats, axis=1)
    p50, p95, p99 = (float(value) for value in np.percentile(repeats, [50, 95, 99]))
    spread = float((medians.max() - medians.min()) / np.median(medians))
    return {"p50": p50, "p95": p95, "p99": p99, "spread": spread, "device": device}


def times(run: Callable[[], Any], count: int) -> list[float]:
    """Return the milliseconds of each of `count` runs."""
    found = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        found.append(1000 * (time.perf_counter() - start))
    return found


def by_onnxruntime(folder: Path, given: argparse.Namespace) -> Made:
    """Load the graph in ONNX Runtime on the CPU."""
    del folder, given
    runtime = import_module("onnxruntime")
    session = runtime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    return (lambda batch: session.run(None, {entry: batch})[0]), f"onnxruntime {runtime.__version__}", processor(), {}


def by_openvino(folder: Path, given: argparse.Namespace) -> Made:
    """Compile the model by OpenVINO for the CPU."""
    del folder, given
    openvino = import_module("openvino")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(HERE / "model.xml")), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    builder = f"openvino {openvino.__version__.partition('-')[0]}"
    return (lambda batch: compiled(batch)[0]), builder, str(core.get_property("CPU", "FULL_DEVICE_NAME")), {}


def by_tensorrt(folder: Path, given: argparse.Namespace) -> Made:
    """Build a strongly typed engine by TensorRT for the first GPU, and load it."""
    trt = import_module("tensorrt")
    cuda = import_module(CUDA)
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(HERE / "model.onnx")):
        sys.exit("; ".join(str(parser.get_error(index)) for index in range(parser.num_errors)))
    settings = builder.create_builder_config()
    if given.hardware_compatible:
        settings.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if given.version_compatible:
        settings.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        sys.exit("TensorRT could not build an engine; see above")
    (folder / ENGINE).write_bytes(bytes(plan))
    kinds = cuda.cudaDeviceAttr
    wanted = (kinds.cudaDevAttrComputeCapabilityMajor, kinds.cudaDevAttrComputeCapabilityMinor)
    major, minor = (done(cuda.cudaDeviceGetAttribute(kind, 0)) for kind in wanted)
    facts: dict[str, Any] = {
        "builder": f"{trt.__name__} {trt.__version__}", "capabilities": [f"{int(major)}.{int(minor)}"],
        "hardware": "ampere_plus" if given.hardware_compatible else "none",
        "version_compatible": bool(given.version_compatible), "platform": machine()["platform"],
    }  # fmt: skip
    name = f"GPU of compute capability {facts['capabilities'][0]}"
    return engine_run(trt, cuda, bytes(plan), given), facts["builder"], name, facts


def engine_run(trt: Any, cuda: Any, plan: bytes, given: argparse.Namespace) -> Run:  # noqa: ANN401
    """Return an engine as a function of a batch."""
    runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
    if given.version_compatible:
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(plan)
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
            sys.exit("TensorRT could not run the engine")
        done(cuda.cudaMemcpyAsync(target, places[output], back.nbytes, kinds.cudaMemcpyDeviceToHost, stream))
        done(cuda.cudaStreamSynchronize(stream))
        return back.copy()

    return run


def done(result: tuple[Any, ...]) -> Any:  # noqa: ANN401
    """Return the value of a call of CUDA; end if it failed."""
    error, *values = result
    if int(error):
        sys.exit(f"CUDA says {error}")
    return values[0] if values else None


MAKERS: dict[str, Callable[[Path, argparse.Namespace], Made]] = {
    "onnxruntime": by_onnxruntime,
    "openvino": by_openvino,
    "tensorrt": by_tensorrt,
}

if __name__ == "__main__":
    main()
