"""TensorRT as the format of a target: an engine of the precision graph, built and measured where the GPU is.

The graph is that of `onnx_target`: FP16 or INT8 by NVIDIA ModelOpt, judged on val on the CPU before an engine is built.
The engine is strongly typed, so its precision is that of the graph, which ships beside it for devices of other kinds.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from automl.release import device_engine, latency, onnx_target, tensorrt_builder
from automl.release import end_to_end as timing
from automl.release.parity import named_failure
from automl.release.target_format import Built
from automl.storage import files as storage_files
from automl.study import Footprint, Latency
from automl.study.engine_facts import EngineFacts
from automl.study.errors import ExportError

SUFFIXES: tuple[str, ...] = (".engine", ".onnx")
NEEDS_GPU = True
PLAN: Final = ".plan"
"""The engine as it ships; beside it, as `.engine`, with the header that Ultralytics' validation reads."""
FACTS: Final = ".facts.json"
MEGA: Final = 1e6

missing = tensorrt_builder.missing
read = onnx_target.read
in_half = onnx_target.in_half
quantized = onnx_target.quantized
quantizers = onnx_target.quantizers
in_float = onnx_target.in_float
outputs = onnx_target.outputs
finished = onnx_target.finished
saved = onnx_target.saved


def builder(precision: str) -> str:
    """Return the programs that make an artifact, with versions."""
    engine = tensorrt_builder.version()
    return engine if precision == "fp32" else f"{engine} of {onnx_target.builder(precision)}"


def built(written: Path, place: Path, *, compatible: Sequence[str], metadata: Mapping[str, str]) -> Built:
    """Build an engine of a graph for the GPU of this machine.

    Raises:
        ExportError: TensorRT refuses the graph.
    """
    del metadata  # the graph has it
    plan, facts = tensorrt_builder.plan(written, compatible=compatible)
    engine = place / f"{written.stem}.engine"
    engine.write_bytes(tensorrt_builder.framed(plan, written))
    engine.with_suffix(PLAN).write_bytes(plan)
    storage_files.write_json(engine.with_suffix(FACTS), facts.to_dict())
    if engine.with_suffix(".onnx") != written:
        storage_files.copy(written, engine.with_suffix(".onnx"))
    return Built(engine, facts)


def files(written: Path) -> Mapping[str, Path]:
    """Return the files of an engine by suffix: the engine without a header, and its graph."""
    return {".engine": written.with_suffix(PLAN), ".onnx": written.with_suffix(".onnx")}


def footprint(written: Path) -> Footprint:
    """Return latency in the engine, and its size."""
    plan, facts = written.with_suffix(PLAN).read_bytes(), _facts(written)
    (entry,) = read(written.with_suffix(".onnx")).graph.input
    shape = [edge.dim_value for edge in entry.type.tensor_type.shape.dim]
    with named_failure(f"{written}: cannot be timed by TensorRT"):
        run = device_engine.run_of(tensorrt_builder.runtime(), plan, ("version",) if facts.version_compatible else ())
        picture = np.random.default_rng(0).random(shape, np.float32)
        timed = latency.measured(lambda: run(picture), f"GPU of compute capability {facts.capabilities[0]}")
    return Footprint(timed, len(plan) / MEGA)


def end_to_end(
    written: Path, metadata: Mapping[str, str], pictures: Sequence[Path], *, record: Path | None = None
) -> Latency:
    """Return the latency from the bytes of images to boxes as JSON."""
    return timing.of_engine(written.with_suffix(PLAN), _facts(written), metadata, pictures, record=record)


def _facts(written: Path) -> EngineFacts:
    try:
        return EngineFacts.from_dict(json.loads(written.with_suffix(FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ExportError(f"{written}: must have its facts beside it, but {error}") from None
