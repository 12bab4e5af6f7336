"""What an engine of TensorRT for other GPUs or later versions costs: build time, size, latency, of one ONNX file.

Builds the file strongly typed, as the script of a device does: for this GPU alone, for any GPU from Ampere on
(`hardware`), for later minor versions of TensorRT (`version`), and both; and times one image in each, the
builds in turn. Needs a CUDA GPU, `tensorrt` and `cuda-bindings`; FP16 is a property of the file: give one by
`automl export NAME half.onnx --precision fp16`.

    python benchmarks/engine_builds.py --onnx half.onnx
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import onnxruntime

from automl.release import device_engine, device_script
from automl.storage import engine_machine

KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "this GPU": (), "hardware-compatible": ("hardware",), "version-compatible": ("version",),
    "both": ("hardware", "version"),
}  # fmt: skip
BUILDS: Final = 3
"""Builds of each kind without timings of earlier ones: the time of one varies with what the builder tries."""


def main() -> None:
    """Build and time all kinds; one JSON object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--onnx", type=Path, required=True, help="ONNX file of a model, one image of fixed size")
    given = parser.parse_args()
    if reason := unable():
        raise SystemExit(f"engines cannot be measured here: {reason}")
    with tempfile.TemporaryDirectory() as place:
        found = measured(given.onnx, Path(place))
    for name, row in found.items():
        print(name, row)
    print(json.dumps(found))


def unable() -> str:
    """Return why this machine cannot build engines; empty if it can."""
    try:
        import_module("tensorrt")
    except ImportError:
        return "tensorrt is not installed"
    return "" if engine_machine.capability() else "there is no CUDA GPU, or cuda-bindings is not installed"


def measured(onnx: Path, place: Path) -> dict[str, dict[str, Any]]:
    """Return build seconds, size and latency of each kind of engine of an ONNX file."""
    return {name: _built(onnx, place / device_script.TIMINGS, kind) for name, kind in KINDS.items()}


def _built(graph: Path, timings: Path, compatible: Sequence[str]) -> dict[str, Any]:
    trt, seconds, plan = import_module("tensorrt"), [], b""
    for build in range(BUILDS + 1):
        if build < BUILDS:
            timings.unlink(missing_ok=True)
        start = time.perf_counter()
        plan = device_engine.plan(trt, graph, timings=timings, compatible=compatible)
        seconds.append(time.perf_counter() - start)
    (entry,) = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).get_inputs()
    picture = np.random.default_rng(0).random(tuple(entry.shape), np.float32)
    run, facts = device_engine.run_of(trt, plan, compatible), device_engine.facts(trt, compatible)
    device = f"GPU of compute capability {facts['capabilities'][0]}"
    timed = device_script.latency(lambda: run(picture), device)
    return {
        "build_s": round(float(np.median(seconds[:BUILDS])), 2), "with_timings_s": round(seconds[-1], 2),
        "mb": round(len(plan) / 1e6, 2),
        "p50_ms": round(timed["p50"], 3), "p99_ms": round(timed["p99"], 3), "spread": round(timed["spread"], 3),
        "builder": facts["builder"], "device": device,
    }  # fmt: skip


if __name__ == "__main__":
    main()
