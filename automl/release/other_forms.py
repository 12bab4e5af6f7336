"""A version's weights in another input shape or file format, written on request and compared with the weights.

An ONNX file is compared by its raw outputs, alone and in a batch, and gets its runtime contract beside it. Files of
other runtimes, which this machine need not have, are passed through as the trainer's exporter wrote them.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.release import modelopt, quantization, runtime_contract, tensorrt_builder
from automl.release.parity import MAX_DIFFERENCE, differences, named_failure
from automl.storage import files, scratch
from automl.storage.layout import BEST, EVALUATION, ONNX, SMOKE
from automl.study import EvalSettings
from automl.study.errors import ExportError
from automl.trainers import trainer_of
from automl.trainers.other_formats import Form, OtherFormats

ONNX_FORMAT: Final = "onnx"
UNCOMPARED: Final = "not compared with the weights: measure it on the device"
PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
SEED: Final = 0
CONTRACT: Final = ".contract.json"


@dataclass(frozen=True, slots=True)
class _Wanted:
    trainer: OtherFormats
    record: EvalSettings
    form: Form


def record_of(version: Path) -> EvalSettings:
    """Return how the model of a version is evaluated.

    Raises:
        ExportError: an earlier program published it, without that record.
    """
    path = version / EVALUATION
    try:
        return EvalSettings.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ExportError(
            f"{path}: must be the record of the evaluation, but {type(error).__name__}: {error}; versions of an "
            "earlier program lack it: publish the model again"
        ) from None


def write(version: Path, target: Path, form: Form) -> str:
    """Write a version's weights in a form; return a one-line summary.

    Raises:
        ExportError: this machine cannot write it, or its outputs are not those of the weights.
    """
    trainer = trainer_of()
    if not isinstance(trainer, OtherFormats):
        raise ExportError(f"{target}: must be a format of this trainer, which writes .onnx, .engine and .pt alone")
    if reason := trainer.missing_for(form):
        raise ExportError(f"{target}: cannot be written: {reason}")
    record = record_of(version)
    with scratch.folder() as place:
        source = place / "model.pt"
        shutil.copyfile(version / BEST, source)
        with named_failure(f"{version / BEST}: {form.format} export failed"):
            made = trainer.export_as(source, record, form)
        compared = form.format == ONNX_FORMAT
        said = _compared(made, source, _Wanted(trainer, record, form), version) if compared else UNCOMPARED
        _copy(made, target.absolute())
    if compared:
        contract = runtime_contract.contract(target, record.to_dict())
        files.write_json(target.with_suffix(CONTRACT), contract)
    batch = "any batch" if form.dynamic else "batch 1"
    return f"{target}: {form.format} of version {int(version.name)}, {batch} x {form.height} x {form.width}; {said}"


def _copy(made: Path, target: Path) -> None:
    """Copy a file, or a folder as a whole: a copy that is cut short is not at the target."""
    if not made.is_dir():
        files.copy(made, target)
        return
    draft = target.with_name(f".{target.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(made, draft)
    draft.rename(target)


def _compared(made: Path, source: Path, wanted: _Wanted, version: Path) -> str:
    """Return the largest difference to the weights on the version's pictures, as text.

    Raises:
        ExportError: it is too large, or the version has no picture.
    """
    images = sorted(version.glob(f"{SMOKE}-*"))
    with named_failure(f"{made}: cannot be compared with the weights"):
        pictures, outputs = wanted.trainer.outputs_as(source, wanted.record, wanted.form, images)
        found = differences(made, pictures, outputs)
    if found > MAX_DIFFERENCE:
        raise ExportError(
            f"{made.name}: outputs must be within {MAX_DIFFERENCE} of the weights', but differ by {found:.3g}"
        )
    return f"differs from the weights by {found:.2g} at most on {len(pictures)} pictures"


def write_precision(version: Path, target: Path, *, precision: str, calibration: Path | None) -> str:
    """Write a version's ONNX file in another precision, or an engine of that; return a one-line summary.

    `calibration` is a folder with images for INT8, at most `quantization.MOST_CALIBRATION` of which are used.

    Raises:
        ExportError: ModelOpt or the engine's builder refuses, or there are no images.
    """
    trainer, record = trainer_of(), record_of(version)
    if not isinstance(trainer, OtherFormats):
        raise ExportError(f"{target}: must be an export of a trainer that compares by record, but this one does not")
    form, graph = Form(ONNX_FORMAT, record.imgsz, record.imgsz), version / ONNX
    with scratch.folder() as place, named_failure(f"{target}: cannot be made in {precision}"):
        shutil.copyfile(version / BEST, place / "model.pt")
        images = sorted(path for path in (calibration or version).rglob("*") if path.suffix.lower() in PICTURES)
        drawn = quantization.calibration(images, seed=SEED)
        pictures, weights = trainer.outputs_as(place / "model.pt", record, form, drawn)
        made = place / "precision.onnx"
        wanted = pictures if precision == "int8" else None
        builder = modelopt.converted(graph, made, precision=precision, calibration=wanted)
        found = differences(made, pictures, weights)
        if target.suffix == ".engine":
            builder += f", {tensorrt_builder.build_plan(made, target.absolute(), wanted='auto')}"
        else:
            files.copy(made, target.absolute())
    return (
        f"{target}: {precision} of version {int(version.name)} by {builder}; outputs differ from the weights by "
        f"{found:.2g} of one plus the magnitude at most on {len(pictures)} pictures; no gate was applied"
    )
