"""Artifacts for the targets of a description: built from the ONNX file, measured, and compared with the weights.

Each target has its evidence beside its files (`target-<name>.json`): a repeated export builds only what is missing, was
changed, or was built from something else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from automl.release import gates, quantization, target_record, working_point
from automl.release.formats import FORMATS
from automl.release.parity import VAL, facts, named_failure
from automl.release.quantization import Quantized
from automl.release.target_format import Array, Built, Model, TargetFormat
from automl.release.working_point import Comparison
from automl.storage import files, scratch
from automl.storage.detections import ImageStats
from automl.storage.layout import EVALUATION, ONNX, TARGET, TORCH_STATS, TORCH_VAL_STATS
from automl.study import Artifact, Footprint, Gates, Job, Latency, Parity, Target, TargetResult
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
            made = _made(order, target, place, metadata)
        except ExportError as error:
            return TargetResult(target, None, note=str(error))
        written = made.built.path
        parities, score = {}, None
        for what, split, weights in _splits(target, order.job):
            stats, score = measured(written, order.job, split=split)  # the judged split is the last
            parities[split] = _compared(what, stats, order, weights)
        shipped = _copied(kind.files(written), order.folder, target)
        cost = kind.footprint(written)
        served, note = _served(kind, written, metadata, order)
    built = TargetResult(
        target,
        Artifact(shipped[f"{TARGET}{target.name}{kind.SUFFIXES[0]}"], kind.builder(target.precision), score),
        shipped,
        parities.pop(order.job.split),
        cost.latency,
        tuple(made.in_float),
        mb=cost.mb,
        end_to_end=served,
        note=note,
        on_val=parities.get(VAL),
        in_int8=made.in_int8,
        engine=made.built.engine,
        own=made.own,
    )
    return target_record.write(order.folder, built, inputs=inputs, metadata=metadata)


@dataclass(frozen=True, slots=True)
class _Made:
    """What ships, and what its exceptions cost."""

    built: Built
    in_float: Sequence[str]
    in_int8: Latency | None
    """Latency with every block in INT8; None if none is in floating point."""
    own: Footprint | None
    """Latency and size of an engine for this GPU and version alone; None without compatibility."""


def _made(order: Order, target: Target, place: Path, metadata: Mapping[str, str]) -> _Made:
    """Build what ships for a target, and measure what blocks in floating point and compatibility cost.

    Raises:
        ExportError: the model cannot be had in this precision, or not be built.
    """
    kind = FORMATS[target.format]

    def written(model: Model, name: str, compatible: Sequence[str]) -> Built:
        (place / name).mkdir()
        saved = kind.saved(model, place / name / name, half=target.precision == "fp16", metadata=metadata)
        return kind.built(saved, place / name, compatible=compatible, metadata=metadata)

    found = _model(order, target, place)
    built = written(found.model, "shipped", target.compatible)
    in_int8 = own = None
    if found.throughout is not None:
        in_int8 = kind.footprint(written(found.throughout, "int8", target.compatible).path).latency
    if built.engine and target.compatible:
        own = kind.footprint(written(found.model, "own", ()).path)
    return _Made(built, found.in_float, in_int8, own)


def _compared(what: str, stats: ImageStats, order: Order, weights: str) -> Parity:
    """Return the differences to the weights, whose detections are in a file of the export."""
    return working_point.compare(what, stats, weights=ImageStats.load(order.folder / weights), at=order.at)


def _served(kind: TargetFormat, written: Path, metadata: Mapping[str, str], order: Order) -> tuple[Latency | None, str]:
    """Return the end-to-end latency of a written model, None where it is not wanted, or why it has none."""
    if not order.pictures:
        return None, ""
    try:
        with data_mount.Needed(order.job):
            return kind.end_to_end(written, metadata, order.pictures, record=order.folder / EVALUATION), ""
    except ExportError as error:
        return None, str(error)


def _model(order: Order, target: Target, place: Path) -> Quantized:
    """Return the model in the wanted precision, and its blocks that stay in floating point.

    INT8 is judged on val, and what passes there on the judged split, until it passes on both. What becomes an engine is
    judged so on the CPU first.
    """
    kind = FORMATS[target.format]
    job = replace(order.job, gpus=0.0) if kind.NEEDS_GPU else order.job
    with named_failure(f"{order.folder / ONNX}: {target.format} cannot read it"):
        model = kind.read(order.folder / ONNX)

    def refusals(candidate: Model) -> list[str]:
        place.joinpath("candidate").mkdir(exist_ok=True)
        metadata = facts(order.folder / ONNX)
        written = kind.saved(candidate, place / "candidate" / "candidate", half=False, metadata=metadata)
        failed: list[str] = []
        for what, split, weights in _splits(target, job):
            if not failed:
                found = _compared(what, measured(written, job, split=split)[0], order, weights)
                laws = gates.of_parity(found, order.gates, max_loss=target.max_loss)
                failed = [gate.text for gate in laws if not gate.passed]
        return failed

    if target.precision == "int8":
        pictures = _calibration(order)
        with named_failure(f"{target.name}: the INT8 quantization failed"):
            return quantization.int8(kind, model, pictures, passes=lambda candidate: not refusals(candidate))
    with named_failure(f"{target.name}: the conversion to {target.precision} failed"):
        model = kind.in_half(model) if target.precision == "fp16" else model
    if kind.NEEDS_GPU and (failed := refusals(model)):
        raise ExportError(f"no engine was built, since its graph must pass its gates: {'; '.join(failed)}")
    return Quantized(model, [])


def _splits(target: Target, job: Job) -> Iterator[tuple[str, str, str]]:
    """Yield the splits that an artifact is judged on, val first: name in its gates, split, file of the weights."""
    if job.split != VAL:
        yield f"{target.name} on {VAL}", VAL, TORCH_VAL_STATS
    yield target.name, job.split, TORCH_STATS


def _calibration(order: Order) -> Array:
    with data_mount.Needed(order.job), named_failure("images of train cannot be read for the calibration"):
        return trainer_of(order.job).letterboxed(order.calibration, order.job)


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
