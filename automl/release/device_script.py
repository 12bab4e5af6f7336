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
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
KIT, BUILT, RESULT, OUTPUTS, ENGINE = "kit.json", "built", "result.json", "outputs.npz", "model.engine"
PICTURES, POSTPROCESS, ENGINES, TIMINGS = "pictures.npy", "postprocess.py", "engines.py", "tensorrt.timings"
REPEATS, MOST_RUNS, FEWEST_RUNS, WARM_UP, MOST_SECONDS = 3, 100, 20, 10, 10.0
"""Of a repeat at most `MOST_SECONDS`: a slow model runs less often, at least `FEWEST_RUNS` times."""
OPENVINO = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
"""Those of `openvino_models.HINT`, which says why."""
NO_OPENCV = "OpenCV is not installed there: pip install opencv-python-headless, and run build.py again"
BLOCK = 2**20
MEGA = 1e6
Run = Callable[[Any], Any]
Made = tuple[Run, str, str, dict[str, Any]]
"""Function of a picture, builder, device, facts of an engine."""


def main() -> None:
    """Build, run and measure as kit and command line ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--hardware-compatible", action="store_true",
        help="TensorRT: for any GPU from Ampere on, as the kit may ask already; what it costs is measured",
    )  # fmt: skip
    parser.add_argument(
        "--version-compatible", action="store_true",
        help="TensorRT: for later minor versions, as the kit may ask already; what it costs is measured",
    )  # fmt: skip
    given = parser.parse_args()
    kit = read_kit()
    asked = {"hardware": given.hardware_compatible, "version": given.version_compatible}
    try:
        build(kit, [kind for kind, wanted in asked.items() if wanted or kind in kit["compatible"]])
    except RuntimeError as error:
        sys.exit(str(error))


def build(kit: dict[str, Any], compatible: Sequence[str]) -> None:
    """Build, run and measure the model of a kit; an engine of TensorRT compatible as `engines.plan` takes it.

    Raises:
        RuntimeError: the runtime refuses the model.
    """
    folder = HERE / BUILT
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    start = time.perf_counter()
    run, builder, device, engine = MAKERS[kit["runtime"]](folder, compatible)
    seconds = time.perf_counter() - start
    pictures = np.load(HERE / PICTURES, mmap_mode="r", allow_pickle=False)
    np.savez(folder / OUTPUTS, **candidates(run, pictures, kit))
    first = as_input(pictures[0])
    timed = latency(lambda: run(first), device)
    served, note = end_to_end(run, kit, device)
    plain = of_this_gpu(device) if engine and compatible else None
    found: dict[str, Any] = {
        "format": 1, "kit": digest(HERE / KIT), "builder": builder, "engine": engine or None, "build_seconds": seconds,
        "latency_ms": timed, "end_to_end_ms": served, "note": note, "machine": machine(),
        "without_compatibility": plain,
        "files": {path.name: digest(path) for path in sorted(folder.iterdir())},
    }  # fmt: skip
    (folder / RESULT).write_text(json.dumps({**found, "seal": seal(found)}, indent=2) + "\n", encoding="utf-8")
    whole = f"{served['p50']:.2f} ms end to end" if served else f"not timed end to end: {note}"
    cost = f" ({plain['latency_ms']['p50']:.2f} ms if built for this GPU and version alone)" if plain else ""
    sys.stdout.write(
        f"{folder}: {builder}, ready in {seconds:.1f} s, {timed['p50']:.2f} ms an image (p50) in the model{cost}, "
        f"{whole}, on {device}\n"
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
    steps, wanted = beside(POSTPROCESS), SimpleNamespace(**kit["thresholds"])
    names = {int(number): name for number, name in kit["names"].items()}
    contents: Iterator[bytes] = itertools.cycle([(HERE / name).read_bytes() for name in kit["timed"]])

    def answered() -> str:
        picture = cv2.imdecode(np.frombuffer(next(contents), np.uint8), cv2.IMREAD_COLOR)
        output = np.asarray(run(steps.letterboxed(picture, size=kit["size"], resize=cv2.resize)), np.float32)[0]
        found = steps.detections(output, wanted, end_to_end=kit["end_to_end"])
        boxes = steps.described(found, picture.shape[:2], size=kit["size"], names=names)
        return json.dumps({"width": picture.shape[1], "height": picture.shape[0], "boxes": boxes})

    return latency(answered, device), ""


def beside(name: str) -> Any:  # noqa: ANN401
    """Load a module from the folder of the kit."""
    spec: Any = importlib.util.spec_from_file_location(f"kit_{Path(name).stem}", HERE / name)
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


def by_onnxruntime(folder: Path, compatible: Sequence[str]) -> Made:
    """Load the graph in ONNX Runtime on the CPU."""
    del folder, compatible
    runtime = import_module("onnxruntime")
    session = runtime.InferenceSession(str(HERE / "model.onnx"), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    return (lambda batch: session.run(None, {entry: batch})[0]), f"onnxruntime {runtime.__version__}", processor(), {}


def by_openvino(folder: Path, compatible: Sequence[str]) -> Made:
    """Compile the model by OpenVINO for the CPU."""
    del folder, compatible
    openvino = import_module("openvino")
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(HERE / "model.xml")), "CPU", OPENVINO)
    builder = f"openvino {openvino.__version__.partition('-')[0]}"
    return (lambda batch: compiled(batch)[0]), builder, str(core.get_property("CPU", "FULL_DEVICE_NAME")), {}


def by_tensorrt(folder: Path, compatible: Sequence[str]) -> Made:
    """Build an engine by TensorRT for the first GPU, and load it."""
    trt, engines = import_module("tensorrt"), beside(ENGINES)
    plan = engines.plan(trt, HERE / "model.onnx", timings=HERE / TIMINGS, compatible=compatible)
    (folder / ENGINE).write_bytes(plan)
    run, facts = engines.run_of(trt, plan, compatible), engines.facts(trt, compatible)
    return run, facts["builder"], f"GPU of compute capability {facts['capabilities'][0]}", facts


def of_this_gpu(device: str) -> dict[str, Any]:
    """Return latency and size of an engine for this GPU and version alone: what compatibility costs."""
    with tempfile.TemporaryDirectory() as place:
        run, _, _, _ = by_tensorrt(Path(place), ())
        picture = as_input(np.load(HERE / PICTURES, mmap_mode="r", allow_pickle=False)[0])
        size = (Path(place) / ENGINE).stat().st_size
    return {"latency_ms": latency(lambda: run(picture), device), "mb": size / MEGA}


MAKERS: dict[str, Callable[[Path, Sequence[str]], Made]] = {
    "onnxruntime": by_onnxruntime,
    "openvino": by_openvino,
    "tensorrt": by_tensorrt,
}

if __name__ == "__main__":
    main()
