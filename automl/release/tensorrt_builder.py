"""TensorRT engines from an ONNX file, built for the GPU of this machine or for RTX cards."""

import importlib
import importlib.util
import json
import struct
from pathlib import Path
from typing import Any, Final

import onnx

from automl.data import picture_cache
from automl.release import device_script
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
    plan = _plan(module, exported)
    files.write_bytes(target, plan)
    builder = _recorded(module, target.with_name(ENGINE_FACTS)).builder
    if module.__name__ == "tensorrt_rtx":
        return Artifact(target, builder, None), (
            f"the engine was built by {builder}, without tensorrt on a CUDA GPU: it runs on RTX cards only "
            "(compute capability 8.0 or more) and was not measured; for other devices build from model.onnx there",
        )  # fmt: skip
    framed = exported.with_suffix(".engine")
    framed.write_bytes(_framed(plan, exported))
    measured = trainer_of(job).validate(framed, job, split=job.split)[job.judged_metric]
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


def _plan(module: Any, exported: Path) -> bytes:  # noqa: ANN401
    logger = module.Logger(module.Logger.ERROR)
    builder = module.Builder(logger)
    network = builder.create_network(1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = module.OnnxParser(network, logger)
    if not parser.parse_from_file(str(exported)):
        problems = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ExportError(f"{exported}: {module.__name__} could not read the graph: {problems}")
    entry = network.get_input(0)
    if entry.shape[0] < 0:  # a free batch axis would need a profile of sizes; engines serve one image at a time
        entry.shape = (1, *entry.shape[1:])
    settings = _settings(module, builder)
    kept = _timings(module)
    if kept:
        device_script.use_timings(settings, kept)
    plan = builder.build_serialized_network(network, settings)
    if plan is None:
        raise ExportError(f"{exported}: {module.__name__} could not build an engine; see the log of the Ray worker")
    if kept:
        files.write_bytes(kept, bytes(settings.get_timing_cache().serialize()))
    return bytes(plan)


def _timings(module: Any) -> Path | None:  # noqa: ANN401
    """Return the file with what TensorRT timed in earlier builds on such a GPU; None if nothing is kept.

    TensorRT itself refuses timings of another version or device. RTX engines are not timed where they are built.
    """
    folder = picture_cache.default_folder()
    if module.__name__ != "tensorrt" or folder is None:
        return None
    return folder / f"tensorrt-{module.__version__}-{engine_machine.capability() or 'gpu'}.timings"


def _settings(module: Any, builder: Any) -> Any:  # noqa: ANN401
    """Return the builder's settings; for RTX the cards are named, so that this machine does not matter."""
    settings = builder.create_builder_config()
    if module.__name__ == "tensorrt_rtx":
        settings.num_compute_capabilities = len(RTX_CARDS)
        for index, card in enumerate(RTX_CARDS):
            settings.set_compute_capability(getattr(module.ComputeCapability, card), index)
    return settings


def _framed(plan: bytes, exported: Path) -> bytes:
    """Put Ultralytics' header (length and JSON) before a plan, as its validator requires; not shipped."""
    facts = {entry.key: entry.value for entry in onnx.load(exported, load_external_data=False).metadata_props}
    header = json.dumps(facts).encode()
    return struct.pack("<i", len(header)) + header + plan
