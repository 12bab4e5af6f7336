"""From weights to what ships: ONNX, checked in ONNX Runtime, and a TensorRT engine, each measured where it can be.

`tensorrt` builds for the GPU of this machine. Without one, the optional `tensorrt_rtx` builds an engine that serves
RTX cards only; what this machine cannot do is said in the notes.
"""

import importlib
import importlib.util
import json
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime

from automl import durable, scratch, yolo
from automl.errors import ExportError
from automl.records import Engine, Job

BUILDERS: Final = ("auto", "tensorrt", "tensorrt_rtx")
CHECKED_IMAGES: Final = 16
TORCH_STATS: Final = "torch.npz"
ONNX_STATS: Final = "onnx.npz"
"""What the scores of weights and ONNX file were computed from, image by image."""
RTX_CARDS: Final = ("SM80", "SM86", "SM89", "SM120")
MAX_DIFFERENCE: Final = 1e-3
"""Limit of `compare`: 0.001 to 0.002 of a score, 0.6 pixels of a box edge at 600; measured in FP32: 1e-7 to 1e-5."""


def build(weights: Path, job: Job, folder: Path, *, images: Sequence[Path], engine: str) -> Engine:
    """Export weights into `folder` as `model.onnx` and, where a builder is there, `model.engine`; measure both.

    `images` are some of the judged split; `engine` is `auto`, `tensorrt`, `tensorrt_rtx` or `none`.

    Raises:
        ExportError: the export failed, or its outputs are not those of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = int(yolo.overrides(job, folder)["imgsz"])
    with scratch.folder() as place:
        source = place / "model.pt"
        shutil.copyfile(weights, source)
        exported = yolo.export_onnx(source, image_size=size)
        durable.copy(exported, folder / "model.onnx")
        difference = compare(source, exported, images[:CHECKED_IMAGES], image_size=size)
        if difference > MAX_DIFFERENCE:
            raise ExportError(
                f"{folder / 'model.onnx'}: outputs must be within {MAX_DIFFERENCE} of torch's, "
                f"but differ by {difference:.3g}"
            )
        torch_score = score(source, job, keep=folder / TORCH_STATS)[job.judged_metric]
        metrics = score(exported, job, keep=folder / ONNX_STATS)
        plan, builder, plan_score, notes = _engine(exported, job, folder / "model.engine", wanted=engine)
    return Engine(
        onnx=folder / "model.onnx",
        onnx_difference=difference,
        onnx_score=metrics[job.judged_metric],
        torch_score=torch_score,
        plan=plan,
        builder=builder,
        plan_score=plan_score,
        notes=notes,
        metrics=metrics,
    )


def score(weights: Path, job: Job, *, keep: Path) -> dict[str, float]:
    """Return the metrics of weights of any format on the job's split.

    What they were computed from, image by image, is kept in the file `keep`. The weights are copied first, since
    validation writes beside them.
    """
    with scratch.folder() as place:
        durable.copy(weights, place / weights.name)
        metrics, stats = yolo.judge(place / weights.name, job, split=job.split)
    stats.save(keep)
    return metrics


def score_all(models: Sequence[tuple[Path, Job, Path]]) -> list[dict[str, float]]:
    """Measure several models on one node: weights, job, and the file that keeps what the metrics come from."""
    return [score(weights, job, keep=keep) for weights, job, keep in models]


def compare(weights: Path, exported: Path, images: Sequence[Path], *, image_size: int) -> float:
    """Return the largest difference of raw outputs on letterboxed images, torch against ONNX Runtime.

    Relative to one plus the magnitude, since scores (0 to 1) and box edges (pixels) stand in one array.
    """
    pictures = yolo.letterboxed(images, image_size=image_size)
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    ours = np.concatenate([session.run(None, {entry: picture[None]})[0] for picture in pictures])
    theirs = yolo.raw_outputs(weights, pictures)
    return float((np.abs(ours - theirs) / (1 + np.abs(theirs))).max())


def build_plan(exported: Path, target: Path, *, wanted: str) -> str:
    """Build `target` from an ONNX file on this machine, without measuring it; return the builder's name.

    Raises:
        ExportError: this machine has no such builder, or it refused the graph.
    """
    module, reason = _builder(wanted)
    if module is None:
        raise ExportError(f"{target}: cannot be built: {reason}")
    durable.write_bytes(target, _plan(module, exported))
    return f"{module.__name__} {module.__version__}"


def _engine(
    exported: Path, job: Job, target: Path, *, wanted: str
) -> tuple[Path | None, str, float | None, tuple[str, ...]]:
    if wanted == "none":
        return None, "", None, ()
    module, reason = _builder(wanted)
    if module is None:
        return None, "", None, (f"no engine was built: {reason}",)
    plan = _plan(module, exported)
    durable.write_bytes(target, plan)
    builder = f"{module.__name__} {module.__version__}"
    if module.__name__ == "tensorrt_rtx":
        return target, builder, None, (
            f"the engine was built by {builder}, without tensorrt on a CUDA GPU: it serves RTX cards only "
            "(compute capability 8.0 up) and was not measured; build for other devices from model.onnx on the device",
        )  # fmt: skip
    framed = exported.with_suffix(".engine")
    framed.write_bytes(_framed(plan, exported))
    return target, builder, yolo.validate(framed, job, split=job.split)[job.judged_metric], ()


def _builder(wanted: str) -> tuple[Any, str]:
    """Return the builder module for this machine, or None and why there is none."""
    if wanted not in BUILDERS:
        raise ExportError(f"engine: must be one of {list(BUILDERS)}, but got {wanted!r}")
    cuda = yolo.has_cuda()
    if wanted in {"auto", "tensorrt"} and cuda and importlib.util.find_spec("tensorrt"):
        return importlib.import_module("tensorrt"), ""
    if wanted == "tensorrt":
        missing = "tensorrt is not installed" if cuda else "this machine has no CUDA GPU, which tensorrt builds on"
        return None, missing
    if importlib.util.find_spec("tensorrt_rtx"):
        return importlib.import_module("tensorrt_rtx"), ""
    return None, "neither tensorrt on a CUDA GPU nor tensorrt_rtx is here; `pip install automl[rtx]` brings the latter"


def _plan(module: Any, exported: Path) -> bytes:  # noqa: ANN401
    logger = module.Logger(module.Logger.ERROR)
    builder = module.Builder(logger)
    network = builder.create_network(1 << int(module.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = module.OnnxParser(network, logger)
    if not parser.parse_from_file(str(exported)):
        problems = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ExportError(f"{exported}: {module.__name__} could not read the graph: {problems}")
    plan = builder.build_serialized_network(network, _settings(module, builder))
    if plan is None:
        raise ExportError(f"{exported}: {module.__name__} could not build an engine; its log is that of the Ray worker")
    return bytes(plan)


def _settings(module: Any, builder: Any) -> Any:  # noqa: ANN401
    """Return the builder's settings; for RTX the cards are named, so that the engine does not follow this machine."""
    settings = builder.create_builder_config()
    if module.__name__ == "tensorrt_rtx":
        settings.num_compute_capabilities = len(RTX_CARDS)
        for index, card in enumerate(RTX_CARDS):
            settings.set_compute_capability(getattr(module.ComputeCapability, card), index)
    return settings


def _framed(plan: bytes, exported: Path) -> bytes:
    """Put Ultralytics' header (length and JSON) before a plan, the form its validator reads; what ships is bare."""
    facts = {entry.key: entry.value for entry in onnx.load(exported, load_external_data=False).metadata_props}
    header = json.dumps(facts).encode()
    return struct.pack("<i", len(header)) + header + plan
