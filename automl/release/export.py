"""Export of weights to ONNX, checked in ONNX Runtime, and to a TensorRT engine, each measured if possible.

`tensorrt` builds for the GPU of this machine. Without one, the optional `tensorrt_rtx` builds an engine that serves
RTX cards only; steps that this machine cannot do are listed in the notes.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from automl.release import raw_outputs, working_point
from automl.release.parity import CHECKED_IMAGES, MAX_DIFFERENCE, VAL, cause, compare, name_source, named_failure, score
from automl.release.tensorrt_builder import build_engine
from automl.storage import files, scratch
from automl.storage.detections import ImageStats
from automl.storage.layout import ENGINE, EVALUATION, ONNX, ONNX_STATS, SMOKE, TORCH_STATS, TORCH_VAL_STATS, VAL_STATS
from automl.study import Artifact, ExportResult, Job
from automl.study.errors import ExportError
from automl.trainers import trainer_of

SMOKE_PICTURES: Final = 2
SMOKE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png"})
SMOKE_BYTES: Final = 2 * 2**20
"""Largest file that a version gets for its smoke test: a version is copied and hashed often."""


def build(weights: Path, job: Job, folder: Path, *, images: Sequence[Path], engine: str) -> ExportResult:
    """Export weights into `folder` as `model.onnx` and, if a builder is installed, `model.engine`; measure both.

    `images` are some of the judged split; `engine` is `auto`, `tensorrt`, `tensorrt_rtx` or `none`.

    Raises:
        ExportError: the export failed, or its outputs are not those of the weights.
        DataAwayError: images are away.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keep_smoke_pictures(images, folder)
    trainer = trainer_of(job)
    record = trainer.evaluation(job)
    with scratch.folder() as place:
        source = place / "model.pt"
        shutil.copyfile(weights, source)
        with named_failure(f"{weights}: ONNX export failed"):
            exported = trainer.export_onnx(source, job)
        name_source(exported, source)
        files.copy(exported, folder / ONNX)
        difference = compare(source, exported, images[:CHECKED_IMAGES], job)
        if difference > MAX_DIFFERENCE:
            raise ExportError(
                f"{folder / 'model.onnx'}: outputs must be within {MAX_DIFFERENCE} of torch's, "
                f"but differ by {difference:.3g}: {cause(source, exported, images[:CHECKED_IMAGES], job)}"
            )
        torch_score = score(source, job, keep=folder / TORCH_STATS)[job.judged_metric]
        metrics = score(exported, job, keep=folder / ONNX_STATS)
        raw = raw_outputs.of_splits(source, exported, job)
        _on_val(source, exported, job, folder)
        built, notes = build_engine(exported, job, folder / ENGINE, wanted=engine)
    threshold = working_point.best_threshold(ImageStats.load(folder / VAL_STATS))
    files.write_json(folder / EVALUATION, replace(record, threshold=threshold).to_dict())
    return ExportResult(
        onnx=Artifact(folder / ONNX, "onnx", metrics[job.judged_metric]),
        onnx_difference=difference,
        torch_score=torch_score,
        engine=built,
        notes=notes,
        metrics=metrics,
        threshold=threshold,
        raw=raw,
    )


def _on_val(weights: Path, exported: Path, job: Job, folder: Path) -> None:
    """Keep the detections of weights and ONNX file on val, which are those of the judged split if it is val."""
    for model, own, kept in ((weights, TORCH_STATS, TORCH_VAL_STATS), (exported, ONNX_STATS, VAL_STATS)):
        if job.split == VAL:
            files.copy(folder / own, folder / kept)
        else:
            score(model, replace(job, split=VAL), keep=folder / kept)


def keep_smoke_pictures(images: Sequence[Path], folder: Path) -> None:
    """Copy the first pictures of the judged split into the export, for the smoke test of whoever serves the version."""
    for earlier in folder.glob(f"{SMOKE}-*"):
        earlier.unlink()
    small = (path for path in images if path.suffix.lower() in SMOKE_SUFFIXES and path.stat().st_size <= SMOKE_BYTES)
    for number, path in enumerate(islice(small, SMOKE_PICTURES)):
        files.copy(path, folder / f"{SMOKE}-{number}{path.suffix.lower()}")
