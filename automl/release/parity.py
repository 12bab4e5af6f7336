"""Parity of an exported model with its weights: raw outputs of both on the same images, and scores."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime

from automl.storage import files, scratch
from automl.study import Job
from automl.study.errors import ExportError
from automl.trainers import trainer_of
from automl.trials import data_mount

CHECKED_IMAGES: Final = 16
MAX_DIFFERENCE: Final = 1e-3
"""Limit of `compare`: 0.001 to 0.002 of a score, 0.6 pixels of a box edge at 600; measured in FP32: 1e-7 to 1e-5."""

VENDOR: Final = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ImportError, ArithmeticError,
)  # fmt: skip
"""What Ultralytics, torch and ONNX raise; errors of the operating system are left as they are."""
LONGEST: Final = 300


def score(weights: Path, job: Job, *, keep: Path) -> dict[str, float]:
    """Return the metrics of weights of any format on the job's split.

    The per-image detections are stored in the file `keep`. The weights are copied first, since validation writes into
    their folder.

    Raises:
        DataAwayError: images are away.
    """
    with scratch.folder() as place:
        files.copy(weights, place / weights.name)
        with data_mount.Needed(job), named_failure(f"{weights}: cannot be measured on {job.split}"):
            metrics, stats = trainer_of(job).judge(place / weights.name, job, split=job.split)
    stats.save(keep)
    return metrics


@contextmanager
def named_failure(what: str) -> Iterator[None]:
    """Turn what vendors raise into a message; the traceback goes to the worker's log.

    Raises:
        ExportError: a vendor failed.
    """
    try:
        yield
    except VENDOR as error:
        traceback.print_exception(error)
        first = " ".join(str(error).split())[:LONGEST] or "no reason given"
        raise ExportError(f"{what}: {type(error).__name__}: {first}") from error


def score_all(models: Sequence[tuple[Path, Job, Path]]) -> list[dict[str, float]]:
    """Measure several models on one node: weights, job, and the file for the per-image detections."""
    return [score(weights, job, keep=keep) for weights, job, keep in models]


def compare(weights: Path, exported: Path, images: Sequence[Path], job: Job) -> float:
    """Return the largest difference of raw outputs on letterboxed images, the trainer's against ONNX Runtime's.

    Relative to one plus the magnitude, since scores (0 to 1) and box edges (pixels) share one array.

    Raises:
        DataAwayError: images are away.
    """
    trainer = trainer_of(job)
    with data_mount.Needed(job), named_failure(f"{exported}: cannot be compared with {weights}"):
        pictures = trainer.letterboxed(images, job)
        session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0].name
        ours = np.concatenate([session.run(None, {entry: picture[None]})[0] for picture in pictures])
        theirs = trainer.raw_outputs(weights, pictures, job)
    return float((np.abs(ours - theirs) / (1 + np.abs(theirs))).max())
