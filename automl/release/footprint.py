"""Footprint of a structure: latency and size of an untrained model on each target, measured on this machine."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from automl.release import end_to_end, onnx_target
from automl.release.formats import FORMATS
from automl.release.parity import facts, named_failure
from automl.storage import scratch
from automl.study import Footprint, Job, Target
from automl.study.errors import ExportError
from automl.study.objective import ONNX_TARGET
from automl.trainers import trainer_of

CALIBRATION: Final = 4
"""Random inputs on which INT8 is calibrated: they decide about accuracy, not about latency."""


def measure(
    job: Job, targets: Sequence[Target], names: Collection[str], pictures: Sequence[Path] = ()
) -> dict[str, Footprint]:
    """Return the footprint of a job's untrained model on those of `targets`, and of ONNX Runtime, that are named.

    With pictures it is timed end to end as well.

    Raises:
        ExportError: the model cannot be exported, or a package is missing.
    """
    trainer = trainer_of(job)
    found: dict[str, Footprint] = {}
    with scratch.folder() as place:
        with named_failure(f"{job.model}: an untrained model cannot be made"):
            trainer.write_untrained(place / "model.pt", job)
        with named_failure(f"{job.model}: ONNX export failed"):
            exported = trainer.export_onnx(place / "model.pt", job)
        if ONNX_TARGET in names:
            found[ONNX_TARGET] = onnx_target.footprint(exported)
            if pictures:
                timed = end_to_end.of_onnx(exported, pictures)
                found[ONNX_TARGET] = replace(found[ONNX_TARGET], end_to_end=timed)
        for target in (target for target in targets if target.name in names):
            with named_failure(f"{job.model}: cannot be measured on {target.name}"):
                found[target.name] = _of_target(exported, target, place, pictures)
    return found


def shipped(path: Path, pictures: Sequence[Path], record: Path) -> tuple[Footprint, str]:
    """Return the footprint of the ONNX file of an export, timed end to end if there are pictures, and why it was not.

    Raises:
        ExportError: it cannot be run.
    """
    cost = onnx_target.footprint(path)
    if not pictures:
        return cost, ""
    try:
        return replace(cost, end_to_end=end_to_end.of_onnx(path, pictures, record=record)), ""
    except ExportError as error:
        return cost, str(error)


def _of_target(exported: Path, target: Target, place: Path, pictures: Sequence[Path]) -> Footprint:
    kind = FORMATS[target.format]
    if missing := kind.missing():
        raise ExportError(f"targets.{target.name}: {missing}; a constraint names this target")
    model = kind.read(exported)
    if target.precision == "int8":
        noise = np.random.default_rng(0).random((CALIBRATION, *_shape(exported)), np.float32)
        model = kind.finished(kind.quantized(model, noise))
    elif target.precision == "fp16":
        model = kind.in_half(model)
    metadata = facts(exported)
    written = kind.saved(model, place / target.name, half=target.precision == "fp16", metadata=metadata)
    (place / f"{target.name}.built").mkdir()
    built = kind.built(written, place / f"{target.name}.built", compatible=target.compatible, metadata=metadata).path
    cost = kind.footprint(built)
    return replace(cost, end_to_end=kind.end_to_end(built, metadata, pictures)) if pictures else cost


def _shape(exported: Path) -> tuple[int, int, int]:
    """Return channels, height and width of an ONNX file's input."""
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    _, channels, height, width = session.get_inputs()[0].shape
    return channels, height, width
