"""Artifacts for the targets of a description: built from the ONNX file, measured, and compared with the weights.

Each target has its evidence beside its files (`target-<name>.json`): a repeated export builds only what is missing, was
changed, or was built from something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.release import end_to_end, footprint, gates, openvino_models, quantization, target_record, working_point
from automl.release.parity import facts, named_failure
from automl.release.working_point import Comparison
from automl.storage import files, scratch
from automl.storage.detections import ImageStats
from automl.storage.layout import EVALUATION, ONNX, TARGET, TORCH_STATS, VAL_STATS
from automl.study import Artifact, Gates, Job, Latency, Target, TargetResult
from automl.study.errors import ExportError
from automl.trainers import trainer_of
from automl.trials import data_mount

FORMAT: Final = "_openvino_model"
"""Ultralytics recognises OpenVINO by the end of a folder's name."""


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
    if missing := openvino_models.missing():
        note = f"{' and '.join(missing)} must be installed; pip install 'yolo-automl-ray[openvino]'"
        return TargetResult(target, None, note=note)
    with scratch.folder() as place:
        try:
            model, in_float = _model(order, target, place)
        except ExportError as error:
            return TargetResult(target, None, note=str(error))
        folder = saved(model, place / "shipped", order, target)
        stats, score = measured(folder, order.job, split=order.job.split)
        written = _copied(folder, order.folder, target)
        cost = footprint.of_openvino(model, folder)
        metadata = facts(order.folder / ONNX)
        served, note = _served(folder, metadata, order)
    weights = ImageStats.load(order.folder / TORCH_STATS)
    built = TargetResult(
        target,
        Artifact(written[f"{TARGET}{target.name}.xml"], openvino_models.builder(), score),
        written,
        working_point.compare(target.name, stats, weights=weights, at=order.at),
        cost.latency,
        tuple(in_float),
        mb=cost.mb,
        end_to_end=served,
        note=note,
    )
    return target_record.write(order.folder, built, inputs=inputs, metadata=metadata)


def _served(folder: Path, metadata: Mapping[str, str], order: Order) -> tuple[Latency | None, str]:
    """Return the end-to-end latency of the model in a folder, None where it is not wanted, or why it has none."""
    if not order.pictures:
        return None, ""
    try:
        with data_mount.Needed(order.job):
            return end_to_end.of_openvino(folder, metadata, order.pictures, record=order.folder / EVALUATION), ""
    except ExportError as error:
        return None, str(error)


def _model(order: Order, target: Target, place: Path) -> tuple[Any, list[str]]:
    """Return the model in the wanted precision, and its blocks that stay in floating point."""
    with named_failure(f"{order.folder / ONNX}: OpenVINO cannot read it"):
        model = openvino_models.read(order.folder / ONNX)
    if target.precision != "int8":
        return model, []
    unread = f"{target.name}: images of train cannot be read for the calibration"
    with data_mount.Needed(order.job), named_failure(unread):
        pictures = trainer_of(order.job).letterboxed(order.calibration, order.job)
    on_val = ImageStats.load(order.folder / VAL_STATS)

    def passes(candidate: Any) -> bool:  # noqa: ANN401
        folder = saved(candidate, place / "candidate", order, target)
        stats, _ = measured(folder, order.job, split="val")
        found = working_point.compare(target.name, stats, weights=on_val, at=order.at)
        return all(gate.passed for gate in gates.of_parity(found, order.gates, max_loss=target.max_loss))

    with named_failure(f"{target.name}: the INT8 quantization failed"):
        return quantization.int8(model, pictures, passes=passes)


def saved(model: Any, place: Path, order: Order, target: Target) -> Path:  # noqa: ANN401
    """Write a model as Ultralytics reads it, `<place>_openvino_model`, and return that folder."""
    folder = place.with_name(place.name + FORMAT)
    folder.mkdir(parents=True, exist_ok=True)
    openvino_models.save(model, folder / "model.xml", half=target.precision == "fp16")
    files.write_json(folder / "metadata.yaml", facts(order.folder / ONNX))  # JSON is YAML
    return folder


def measured(folder: Path, job: Job, *, split: str) -> tuple[ImageStats, float]:
    """Return the detections of a model written by `saved` on a split, and its objective.

    Raises:
        ExportError: it cannot be run.
        DataAwayError: images are away.
    """
    with data_mount.Needed(job), named_failure(f"{folder}: cannot be measured on {split}"):
        metrics, stats = trainer_of(job).judge(folder, job, split=split)
    return stats, metrics[job.judged_metric.replace(f"{job.split}/", f"{split}/", 1)]


def _copied(source: Path, folder: Path, target: Target) -> Mapping[str, Path]:
    """Copy the model files into the export; return name in a version to file."""
    names = {f"{TARGET}{target.name}{suffix}": source / f"model{suffix}" for suffix in (".xml", ".bin")}
    for name, file in names.items():
        files.copy(file, folder / name)
    return {name: folder / name for name in names}
