"""Artifacts for the targets of a description: built from the ONNX file, measured, and compared with the weights.

Each target has its evidence beside its files (`target-<name>.json`): a repeated export builds only what is missing, was
changed, or was built from something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.release import gates, quantization, target_record, working_point
from automl.release.formats import FORMATS
from automl.release.parity import facts, named_failure
from automl.release.target_format import TargetFormat
from automl.release.working_point import Comparison
from automl.storage import files, scratch
from automl.storage.detections import ImageStats
from automl.storage.layout import EVALUATION, ONNX, TARGET, TORCH_STATS, VAL_STATS
from automl.study import Artifact, Gates, Job, Latency, Target, TargetResult
from automl.study.errors import ExportError
from automl.trainers import trainer_of
from automl.trials import data_mount


@dataclass(frozen=True, slots=True)
class Order:
    """What the targets of one model are built from and judged by."""

    job: Job
    """The job of the weights, set to the judged split."""
    folder: Path
    """The export, with the ONNX file and the detections; the artifacts are written here."""
    calibration: tuple[Path, ...]
    """Images of train, at most `quantization.MOST_CALIBRATION`."""
    at: Comparison
    gates: Gates
    pictures: tuple[Path, ...] = ()
    """Images of the judged split on which the artifacts are timed end to end; none: they are not."""


def build_all(order: Order, targets: tuple[Target, ...]) -> tuple[TargetResult, ...]:
    """Build and measure the artifacts of all targets on this machine."""
    return tuple(build(order, target) for target in targets)


def build(order: Order, target: Target) -> TargetResult:
    """Build and measure the artifact for one target; a result without an artifact says why in its note.

    Raises:
        ExportError: the artifact cannot be measured.
    """
    inputs = target_record.inputs(order.folder / ONNX, target, calibration=order.calibration, gates=order.gates)
    if kept := target_record.read(order.folder, target, inputs=inputs):
        return kept
    kind = FORMATS[target.format]
    if missing := kind.missing():
        return TargetResult(target, None, note=missing)
    metadata = facts(order.folder / ONNX)
    with scratch.folder() as place:
        try:
            model, in_float = _model(order, target, place)
        except ExportError as error:
            return TargetResult(target, None, note=str(error))
        written = kind.saved(model, place / "shipped", half=target.precision == "fp16", metadata=metadata)
        stats, score = measured(written, order.job, split=order.job.split)
        shipped = _copied(kind.files(written), order.folder, target)
        cost = kind.footprint(written)
        served, note = _served(kind, written, metadata, order)
    weights = ImageStats.load(order.folder / TORCH_STATS)
    built = TargetResult(
        target,
        Artifact(shipped[f"{TARGET}{target.name}{kind.SUFFIXES[0]}"], kind.builder(target.precision), score),
        shipped,
        working_point.compare(target.name, stats, weights=weights, at=order.at),
        cost.latency,
        tuple(in_float),
        mb=cost.mb,
        end_to_end=served,
        note=note,
    )
    return target_record.write(order.folder, built, inputs=inputs, metadata=metadata)


def _served(kind: TargetFormat, written: Path, metadata: Mapping[str, str], order: Order) -> tuple[Latency | None, str]:
    """Return the end-to-end latency of a written model, None where it is not wanted, or why it has none."""
    if not order.pictures:
        return None, ""
    try:
        with data_mount.Needed(order.job):
            return kind.end_to_end(written, metadata, order.pictures, record=order.folder / EVALUATION), ""
    except ExportError as error:
        return None, str(error)


def _model(order: Order, target: Target, place: Path) -> tuple[Any, list[str]]:
    """Return the model in the wanted precision, and its blocks that stay in floating point."""
    kind = FORMATS[target.format]
    with named_failure(f"{order.folder / ONNX}: {target.format} cannot read it"):
        model = kind.read(order.folder / ONNX)
    if target.precision != "int8":
        with named_failure(f"{target.name}: the conversion to {target.precision} failed"):
            return (kind.in_half(model) if target.precision == "fp16" else model), []
    unread = f"{target.name}: images of train cannot be read for the calibration"
    with data_mount.Needed(order.job), named_failure(unread):
        pictures = trainer_of(order.job).letterboxed(order.calibration, order.job)
    on_val = ImageStats.load(order.folder / VAL_STATS)

    def passes(candidate: Any) -> bool:  # noqa: ANN401
        written = kind.saved(candidate, place / "candidate", half=False, metadata=facts(order.folder / ONNX))
        stats, _ = measured(written, order.job, split="val")
        found = working_point.compare(target.name, stats, weights=on_val, at=order.at)
        return all(gate.passed for gate in gates.of_parity(found, order.gates, max_loss=target.max_loss))

    with named_failure(f"{target.name}: the INT8 quantization failed"):
        return quantization.int8(kind, model, pictures, passes=passes)


def measured(written: Path, job: Job, *, split: str) -> tuple[ImageStats, float]:
    """Return the detections of a written model on a split, and its objective.

    Raises:
        ExportError: it cannot be run.
        DataAwayError: images are away.
    """
    with data_mount.Needed(job), named_failure(f"{written}: cannot be measured on {split}"):
        metrics, stats = trainer_of(job).judge(written, job, split=split)
    return stats, metrics[job.judged_metric.replace(f"{job.split}/", f"{split}/", 1)]


def _copied(made: Mapping[str, Path], folder: Path, target: Target) -> Mapping[str, Path]:
    """Copy the model files, by suffix, into the export; return name in a version to file."""
    names = {f"{TARGET}{target.name}{suffix}": file for suffix, file in made.items()}
    for name, file in names.items():
        files.copy(file, folder / name)
    return {name: folder / name for name in names}
