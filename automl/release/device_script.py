"""Builds and measures a model on the device that will run it, from the folder of this file alone: `python build.py`.

Needs Python 3.9 or later, NumPy, and the runtime that `kit.json` names: `onnxruntime`, `openvino`, or `tensorrt` with
`cuda-bindings`; with OpenCV (`opencv-python-headless`) an image is timed end to end as well. Writes the folder `built`
beside this file: the engine, if one is built, the raw outputs for the pictures of the kit, and `result.json` with
latencies and machine, sealed by SHA-256. Take the whole folder back: `automl device-built`.
"""

import argparse
import hashlib
import importlib.util
import itertools
import json
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
KIT, BUILT, RESULT, OUTPUTS, ENGINE = "kit.json", "built", "result.json", "outputs.npz", "model.engine"
PICTURES, POSTPROCESS, TIMINGS = "pictures.npy", "postprocess.py", "tensorrt.timings"
REPEATS, MOST_RUNS, FEWEST_RUNS, WARM_UP, MOST_SECONDS = 3, 100, 20, 10, 10.0
"""Of a repeat at most `MOST_SECONDS`: a slow model runs less often, at least `FEWEST_RUNS` times."""
CUDA = "cuda.bindings.runtime"
OPENVINO = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
"""Those of `openvino_models.HINT`, which says why."""
NO_OPENCV = "OpenCV is not installed there: pip install opencv-python-headless, and run build.py again"
BLOCK = 2**20
Run = Callable[[Any], Any]
Made = tuple[Run, str, str, dict[str, Any]]
"""Function of a picture, builder, device, facts of an engine."""


def main() -> None:
    """Build, run and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--hardware-compatible", action="store_true",
        help="TensorRT: for any GPU from Ampere on; it may be slower: compare the latencies of two builds",
    )  # fmt: skip
    parser.add_argument(
        "--version-compatible", action="store_true",
        help="TensorRT: for later minor versions; larger, since it contains the runtime of its own version",
    )  # fmt: skip
    given = parser.parse_args()
    kit = read_kit()
    folder = HERE / BUILT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    start = time.perf_counter()
    run, builder, device, engine = MAKERS[kit["runtime"]](folder, given)
    seconds = time.perf_counter() - start
    pictures = np.load(HERE / PICTURES, mmap_mode="r", allow_pickle=False)
    np.savez(folder / OUTPUTS, **candidates(run, pictures, kit))
    first = as_input(pictures[0])
    served, note = end_to_end(run, kit, device)
    found: dict[str, Any] = {
        "format": 1, "kit": digest(HERE / KIT), "builder": builder, "engine": engine or None, "build_seconds": seconds,
        "latency_ms": latency(lambda: run(first), device), "end_to_end_ms": served, "note": note, "machine": machine(),
        "files": {path.name: digest(path) for path in sorted(folder.iterdir())},
    }  # fmt: skip
    (folder / RESULT).write_text(json.dumps({**found, "seal": seal(found)}, indent=2) + "\n", encoding="utf-8")
    whole = f"{served['p50']:.2f} ms end to end" if served else f"not timed end to end: {note}"
    sys.stdout.write(
        f"{folder}: {builder}, ready in {seconds:.1f} s, {found['latency_ms']['p50']:.2f} ms an image (p50) in the "
        f"model, {whole}, on {device}\n"
    )


def as_input(picture: Any) -> Any:  # noqa: ANN401
    """Return a picture of the kit as the model's input, 1 x 3 x height x width, 0 to 1."""
    return np.divide(picture, np.float32(255), dtype=np.float32)[None]


def candidates(run: Run, pictures: Any, kit: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Return the raw outputs for all pictures: their shape, and of each the boxes that can count.

    A box counts if a score is above `kit["least"]`, or is not a number. `rows` has the numbers of each, `counts` how
    many a picture has, `wrong` how many numbers of all outputs are not finite.
    """
    rows, counts, wrong, shape = [], [], 0, []
    for picture in pictures:
        output = np.asarray(run(as_input(picture)), np.float32)[0]
        anchors = output if kit["end_to_end"] else output.T
        scores = anchors[:, 4] if kit["end_to_end"] else anchors[:, 4:].max(axis=1)
        kept = anchors[~(scores <= np.float32(kit["least"]))]
        shape, wrong = list(output.shape), wrong + int(np.count_nonzero(~np.isfinite(output)))
        rows.append(kept)
        counts.append(len(kept))
    return {"rows": np.concatenate(rows), "counts": counts, "shape": shape, "wrong": wrong}


def end_to_end(run: Run, kit: dict[str, Any], device: str) -> tuple[Any, str]:
    """Return the latency from the bytes of an image to its boxes as JSON; without OpenCV None and the reason.

    Decoding, letterbox, model, suppression with the thresholds of the kit, in one thread but for the model.
    """
    try:
        cv2 = import_module("cv2")
    except ImportError:
        return None, NO_OPENCV
    cv2.setNumThreads(1)
    steps, wanted = postprocess(), SimpleNamespace(**kit["thresholds"])
    names = {int(number): name for number, name in kit["names"].items()}
    contents: Iterator[bytes] = itertools.cycle([(HERE / name).read_bytes() for name in kit["timed"]])

    def answered() -> str:
        picture = cv2.imdecode(np.frombuffer(next(contents), np.uint8), cv2.IMREAD_COLOR)
        output = np.asarray(run(steps.letterboxed(picture, size=kit["size"], resize=cv2.resize)), np.float32)[0]
        found = steps.detections(output, wanted, end_to_end=kit["end_to_end"])
        boxes = steps.described(found, picture.shape[:2], size=kit["size"], names=names)
        return json.dumps({"width": picture.shape[1], "height": picture.shape[0], "boxes": boxes})

    return latency(answered, device), ""


def postprocess() -> Any:  # noqa: ANN401
    """Load the steps around the model from the folder of the kit."""
    spec: Any = importlib.util.spec_from_file_location("kit_postprocess", HERE / POSTPROCESS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_kit() -> dict[str, Any]:
    """Return the order, after a check of every file of the kit."""
    kit: dict[str, Any] = json.loads((HERE / KIT).read_text(encoding="utf-8"))
    for name, wanted in kit["files"].items():
        if not (HERE / name).is_file() or digest(HERE / name) != wanted:
            sys.exit(f"{HERE / name}: must be the file of the kit, but is missing or changed; copy the folder again")
    return kit


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


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
    compiled = core.compile_model(core.read_model(str(HERE / "model.xml")), "CPU", OPENVINO)
    builder = f"openvino {openvino.__version__.partition('-')[0]}"
    return (lambda batch: compiled(batch)[0]), builder, str(core.get_property("CPU", "FULL_DEVICE_NAME")), {}


def use_timings(settings: Any, kept: Path) -> None:  # noqa: ANN401
    """Let a build of TensorRT use what it timed in earlier ones on such a device; it takes no file of another."""
    cache = settings.create_timing_cache(kept.read_bytes() if kept.is_file() else b"")
    settings.set_timing_cache(cache or settings.create_timing_cache(b""), False)  # noqa: FBT003


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
    use_timings(settings, HERE / TIMINGS)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        sys.exit("TensorRT could not build an engine; see above")
    (HERE / TIMINGS).write_bytes(bytes(settings.get_timing_cache().serialize()))
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
