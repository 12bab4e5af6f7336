"""What each precision costs and saves: mAP, F1 at the served threshold, latency, size, of one model in several formats.

Exports the weights of a registry version, builds OpenVINO in FP32, FP16 and INT8 and ONNX in FP16 and INT8 as a study
does, measures all on the test split, and times each as it is served: one image end to end (decode JPEG, letterbox,
model, suppression, JSON) in one process, three repeats, the formats in turn. On a GPU with TensorRT the engines of the
FP16 graph are built and timed too, as `engine_builds.py` does. Where other work runs beside: `nice -n -10 python ...`.

    python benchmarks/precision.py --version STORAGE/models/NAME/versions/0001 --data STORAGE/runs/NAME/data/data.yaml
"""

import argparse
import json
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from automl.apps.serve.backend import opened
from automl.apps.serve.detector import Detector
from automl.apps.serve.images import decode
from automl.apps.serve.thresholds import Thresholds
from automl.release import targets, working_point
from automl.storage.detections import ImageStats, metrics
from automl.storage.layout import ONNX, ONNX_STATS, TORCH_STATS
from automl.study import Gates, Target, TargetResult
from benchmarks import engine_builds
from benchmarks.parity_faults import Bench, exported

REPEATS: Final = 3
RUNS: Final = 100
"""Images of a repeat; those of the split take turns."""
WARM: Final = 5
STABLE: Final = 0.03
"""Largest difference between the medians of the repeats, as a share, of a stable latency."""
TARGETS: Final = (
    Target("openvino-fp32", "openvino", "fp32", 0.005), Target("openvino-fp16", "openvino", "fp16", 0.005),
    Target("openvino-int8", "openvino", "int8", 0.01), Target("onnx-fp16", "onnx", "fp16", 0.005),
    Target("onnx-int8", "onnx", "int8", 0.01),
)  # fmt: skip
"""Those of ONNX need the environment of NVIDIA ModelOpt, which is made at the first use."""


def main() -> None:
    """Build, measure, time; one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", type=Path, required=True, help="folder of a version, with its weights")
    parser.add_argument("--data", type=Path, required=True, help="data.yaml of the staged data set of its study")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bench = exported(given.version, given.data, Path(place))
        built = {target.name: _built(bench, target) for target in TARGETS}
        detectors = {"onnx": _detector(bench, "")} | {name: _detector(bench, name) for name in built}
        times = _times(bench, detectors)
        engines = _engines(bench, Path(place))
        weights_f1 = _f1(ImageStats.load(bench.folder / TORCH_STATS), bench)
        rows = {"onnx": _onnx(bench)}
        rows |= {name: _target(one, weights_f1=weights_f1) for name, one in built.items()}
    found = {name: row | times[name] for name, row in rows.items()} | engines
    for name, row in found.items():
        print(name, row)
    print(json.dumps(found))


def _built(bench: Bench, target: Target) -> TargetResult:
    order = targets.Order(bench.job, bench.folder, bench.calibration, bench.at, Gates())
    built = targets.build(order, target)
    if built.artifact is None:
        raise SystemExit(built.note)
    return built


def _engines(bench: Bench, place: Path) -> dict[str, dict[str, Any]]:
    """Return what engines of the FP16 graph cost; none on a machine that cannot build them, which is said."""
    if reason := engine_builds.unable():
        print(f"no engines: {reason}")
        return {}
    (place / "engines").mkdir()
    found = engine_builds.measured(bench.folder / "target-onnx-fp16.onnx", place / "engines")
    return {f"engine, {name}": row for name, row in found.items()}


def _detector(bench: Bench, target: str) -> Detector:
    def read(name: str) -> bytes | None:
        path = bench.folder / name
        return path.read_bytes() if path.is_file() else None

    return Detector(opened(bench.folder, read, target=target))


def _onnx(bench: Bench) -> dict[str, Any]:
    stats = ImageStats.load(bench.folder / ONNX_STATS)
    f1 = _f1(stats, bench)
    size = (bench.folder / ONNX).stat().st_size
    return {"map": round(metrics(stats)["map50_95"], 4), "f1": round(f1, 4), "mb": round(size / 1e6, 2)}


def _f1(stats: ImageStats, bench: Bench) -> float:
    """Return F1 over all classes at the served threshold."""
    counts = working_point.Counts.of(stats, bench.at.threshold, np.unique(stats.truth_kind))
    return float(counts.rates(np.ones((1, stats.images)))["f1"][0])


def _target(built: TargetResult, *, weights_f1: float) -> dict[str, Any]:
    if built.artifact is None or built.parity is None or built.latency is None:
        raise SystemExit(built.note)
    size = sum(path.stat().st_size for name, path in built.files.items() if not name.endswith(".json"))
    return {
        "map": round(built.artifact.score or 0.0, 4),
        "f1": round(weights_f1 + built.parity.f1.value, 4),
        "map_difference": round(built.parity.objective.value, 4),
        "f1_difference": round(built.parity.f1.value, 4),
        "drift": round(built.parity.drift, 4),
        "float_blocks": list(built.float_blocks),
        "model_p50_ms": round(built.latency.p50, 2),
        "model_p50_ms_in_int8": round(built.in_int8.p50, 2) if built.in_int8 else None,
        "mb": round(size / 1e6, 2),
    }


def _times(bench: Bench, detectors: dict[str, Detector]) -> dict[str, dict[str, Any]]:
    """Return the time of one image from its bytes to JSON, in milliseconds; the formats take turns."""
    wanted = Thresholds(conf=bench.at.threshold)
    contents = list(islice(cycle([path.read_bytes() for path in bench.images]), RUNS))
    spent: dict[str, list[list[float]]] = {name: [] for name in detectors}
    for repeat in range(REPEATS + 1):
        for name, detector in detectors.items():
            times = []
            for content in contents[: WARM if repeat == 0 else None]:
                start = time.perf_counter()
                json.dumps(detector.detect(decode(content), wanted))
                times.append(1000 * (time.perf_counter() - start))
            spent[name] += [times] if repeat else []
    return {name: _summary(repeats) for name, repeats in spent.items()}


def _summary(repeats: list[list[float]]) -> dict[str, Any]:
    medians = np.median(repeats, axis=1)
    p50, p95, p99 = (round(float(value), 2) for value in np.percentile(repeats, [50, 95, 99]))
    spread = float((medians.max() - medians.min()) / np.median(medians))
    return {"p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "spread": round(spread, 3), "stable": spread < STABLE}


if __name__ == "__main__":
    main()
