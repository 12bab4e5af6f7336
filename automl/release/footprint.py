"""Footprint of a structure: latency and size of an untrained model on each target, measured on this machine."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from automl.release import end_to_end, latency, openvino_models, quantization
from automl.release.parity import facts, named_failure
from automl.storage import scratch
from automl.study import Footprint, Job, Target
from automl.study.errors import ExportError
from automl.study.objective import ONNX_TARGET
from automl.trainers import trainer_of

CALIBRATION: Final = 4
"""Random inputs on which INT8 is calibrated: they decide about accuracy, not about latency."""
MEGA: Final = 1e6


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
            found[ONNX_TARGET] = of_onnx(exported)
            if pictures:
                timed = end_to_end.of_onnx(exported, pictures)
                found[ONNX_TARGET] = replace(found[ONNX_TARGET], end_to_end=timed)
        for target in (target for target in targets if target.name in names):
            with named_failure(f"{job.model}: cannot be measured on {target.name}"):
                found[target.name] = _of_target(exported, target, place, pictures)
    return found


def of_onnx(path: Path) -> Footprint:
    """Return the footprint of an ONNX file in ONNX Runtime on the CPU."""
    with named_failure(f"{path}: cannot be timed in ONNX Runtime"):
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        shape = [edge if isinstance(edge, int) else 1 for edge in entry.shape]  # a free batch axis: one image
        picture = np.random.default_rng(0).random(shape, np.float32)
        timed = latency.measured(lambda: session.run(None, {entry.name: picture}), latency.processor())
    return Footprint(timed, path.stat().st_size / MEGA)


def shipped(path: Path, pictures: Sequence[Path], record: Path) -> tuple[Footprint, str]:
    """Return the footprint of the ONNX file of an export, timed end to end if there are pictures, and why it was not.

    Raises:
        ExportError: it cannot be run.
    """
    cost = of_onnx(path)
    if not pictures:
        return cost, ""
    try:
        return replace(cost, end_to_end=end_to_end.of_onnx(path, pictures, record=record)), ""
    except ExportError as error:
        return cost, str(error)


def of_openvino(model: openvino_models.Model, written: Path) -> Footprint:
    """Return the footprint of an OpenVINO model whose files are in a folder."""
    compiled = openvino_models.compiled(model)
    picture = np.random.default_rng(0).random(tuple(compiled.input(0).shape), np.float32)
    timed = latency.measured(lambda: compiled(picture), openvino_models.device())
    return Footprint(timed, sum(file.stat().st_size for file in written.glob("model.*")) / MEGA)


def _of_target(exported: Path, target: Target, place: Path, pictures: Sequence[Path]) -> Footprint:
    if missing := openvino_models.missing():
        raise ExportError(
            f"targets.{target.name}: {' and '.join(missing)} must be installed, since a constraint names this target; "
            "pip install 'yolo-automl-ray[openvino]'"
        )
    model = openvino_models.read(exported)
    if target.precision == "int8":
        shape = tuple(openvino_models.compiled(model).input(0).shape)[1:]
        noise = np.random.default_rng(0).random((CALIBRATION, *shape), np.float32)
        model = openvino_models.compressed(quantization.quantized_but_for_decoding(model, noise))
    folder = place / target.name
    folder.mkdir()
    openvino_models.save(model, folder / "model.xml", half=target.precision == "fp16")
    cost = of_openvino(model, folder)
    if not pictures:
        return cost
    return replace(cost, end_to_end=end_to_end.of_openvino(folder, facts(exported), pictures))
