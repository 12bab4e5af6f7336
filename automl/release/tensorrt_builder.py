"""TensorRT engines from an ONNX file, built for the GPU of this machine or for RTX cards."""

import importlib
import importlib.util
import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import onnx

from automl.data import picture_cache
from automl.release import device_engine
from automl.storage import engine_machine, files
from automl.storage.layout import ENGINE_FACTS
from automl.study import Artifact, Job
from automl.study.engine_facts import EngineFacts
from automl.study.errors import ExportError
from automl.trainers import trainer_of

BUILDERS: Final = ("auto", "tensorrt", "tensorrt_rtx")
RTX_CARDS: Final = ("SM80", "SM86", "SM89", "SM120")


def build_plan(exported: Path, target: Path, *, wanted: str) -> str:
    """Build `target` from an ONNX file on this machine, without measuring it; return the builder's name.

    What it runs on is written beside it, as `<target>.json`.

    Raises:
        ExportError: this machine has no such builder, or it rejected the graph.
    """
    module, reason = _builder(wanted)
    if module is None:
        raise ExportError(f"{target}: cannot be built: {reason}")
    files.write_bytes(target, _plan(module, exported))
    facts = _recorded(module, target.with_name(f"{target.name}.json"))
    return facts.builder


def build_engine(exported: Path, job: Job, target: Path, *, wanted: str) -> tuple[Artifact | None, tuple[str, ...]]:
    """Build `target` if a builder is installed, and measure it if this machine can run it.

    Returns:
        The engine or None, and notes on requested steps that could not be done.
    """
    if wanted == "none":
        return None, ()
    module, reason = _builder(wanted)
    if module is None:
        return None, (f"no engine was built: {reason}",)
    made = _plan(module, exported)
    files.write_bytes(target, made)
    builder = _recorded(module, target.with_name(ENGINE_FACTS)).builder
    if module.__name__ == "tensorrt_rtx":
        return Artifact(target, builder, None), (
            f"the engine was built by {builder}, without tensorrt on a CUDA GPU: it runs on RTX cards only "
            "(compute capability 8.0 or more) and was not measured; for other devices build from model.onnx there",
        )  # fmt: skip
    measurable = exported.with_suffix(".engine")
    measurable.write_bytes(framed(made, exported))
    measured = trainer_of(job).validate(measurable, job, split=job.split)[job.judged_metric]
    return Artifact(target, builder, measured), ()


def _recorded(module: Any, path: Path) -> EngineFacts:  # noqa: ANN401
    """Write what an engine that a module built on this machine runs on; return it."""
    builder = f"{module.__name__} {module.__version__}"
    cards = tuple(f"{card[2:-1]}.{card[-1]}" for card in RTX_CARDS)
    own = (found,) if (found := engine_machine.capability()) else ()
    facts = EngineFacts(builder, cards if module.__name__ == "tensorrt_rtx" else own, platform=engine_machine.here())
    files.write_json(path, facts.to_dict())
    return facts


def _builder(wanted: str) -> tuple[Any, str]:
    """Return the builder module for this machine, or None and the reason."""
    if wanted not in BUILDERS:
        raise ExportError(f"engine: must be one of {list(BUILDERS)}, but got {wanted!r}")
    cuda = trainer_of().has_cuda()
    if wanted in {"auto", "tensorrt"} and cuda and importlib.util.find_spec("tensorrt"):
        return importlib.import_module("tensorrt"), ""
    if wanted == "tensorrt":
        missing = "tensorrt is not installed" if cuda else "this machine has no CUDA GPU, which tensorrt needs"
        return None, missing
    if importlib.util.find_spec("tensorrt_rtx"):
        return importlib.import_module("tensorrt_rtx"), ""
    return (
        None,
        "neither tensorrt on a CUDA GPU nor tensorrt_rtx is available; `pip install yolo-automl-ray[rtx]`",
    )


def plan(exported: Path, *, compatible: Sequence[str] = ()) -> tuple[bytes, EngineFacts]:
    """Return a TensorRT engine of an ONNX file for the GPU of this machine, and what it runs on.

    `compatible` is that of a target.

    Raises:
        ExportError: this machine has no TensorRT and GPU, or TensorRT rejected the graph.
    """
    module, reason = _builder("tensorrt")
    if module is None:
        raise ExportError(f"{exported}: no engine can be built: {reason}")
    made = _plan(module, exported, compatible)
    return made, EngineFacts.from_dict(device_engine.facts(module, compatible))


def missing() -> str:
    """Return why this machine cannot build an engine and run it; empty if it can."""
    _, reason = _builder("tensorrt")
    if reason:
        return reason
    return "" if engine_machine.capability() else "cuda-bindings is not installed; pip install cuda-bindings"


def _plan(module: Any, exported: Path, compatible: Sequence[str] = ()) -> bytes:  # noqa: ANN401
    cards = RTX_CARDS if module.__name__ == "tensorrt_rtx" else ()  # the cards are named: this machine does not matter
    timings = _timings(module)
    if timings is not None:
        timings.parent.mkdir(parents=True, exist_ok=True)
    try:
        return device_engine.plan(module, exported, timings=timings, compatible=compatible, cards=cards)
    except RuntimeError as error:
        raise ExportError(str(error)) from error


def _timings(module: Any) -> Path | None:  # noqa: ANN401
    """Return the file with what TensorRT timed in earlier builds on such a GPU; None if nothing is kept.

    TensorRT itself refuses timings of another version or device. RTX engines are not timed where they are built.
    """
    folder = picture_cache.default_folder()
    if module.__name__ != "tensorrt" or folder is None:
        return None
    return folder / f"tensorrt-{module.__version__}-{engine_machine.capability() or 'gpu'}.timings"


def framed(made: bytes, exported: Path) -> bytes:
    """Put Ultralytics' header (length and JSON) before a plan, as its validator requires; not shipped."""
    facts = {entry.key: entry.value for entry in onnx.load(exported, load_external_data=False).metadata_props}
    header = json.dumps(facts).encode()
    return struct.pack("<i", len(header)) + header + made


def runtime() -> Any:  # noqa: ANN401
    """Return the module of TensorRT."""
    return importlib.import_module("tensorrt")


def version() -> str:
    """Return name and version of TensorRT, such as `tensorrt 11.4.0`."""
    return f"tensorrt {runtime().__version__}"
