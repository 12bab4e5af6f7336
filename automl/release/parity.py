"""Parity of an exported model with its weights: raw outputs of both on the same images, and scores."""

import math
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from automl.release import causes
from automl.storage import files, scratch
from automl.study import Job
from automl.study.errors import ExportError
from automl.trainers import trainer_of
from automl.trials import data_mount

CHECKED_IMAGES: Final = 16
VAL: Final = "val"
MAX_DIFFERENCE: Final = 1e-3
"""Limit of `compare`: 0.001 to 0.002 of a score, 0.6 pixels of a box edge at 600; measured in FP32: 1e-7 to 1e-5."""
BATCH: Final = 4
"""Images in a batch where the batch axis is free; the last batch may be smaller."""

_ORT: Final = onnxruntime.capi.onnxruntime_pybind11_state
VENDOR: Final = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ImportError, ArithmeticError,
    _ORT.Fail, _ORT.InvalidProtobuf, _ORT.InvalidGraph, _ORT.InvalidArgument, _ORT.NoSuchFile, _ORT.NotImplemented,
    _ORT.RuntimeException,
)  # fmt: skip
"""What Ultralytics, torch and ONNX raise; errors of the operating system are left as they are."""
LONGEST: Final = 300
SOURCE: Final = "weights_sha256"
"""Key of an ONNX file's metadata."""


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

    Relative to one plus the magnitude, since scores (0 to 1) and box edges (pixels) share one array; infinite if the
    outputs have another shape.

    Raises:
        DataAwayError: images are away.
    """
    with data_mount.Needed(job), named_failure(f"{exported}: cannot be compared with {weights}"):
        pictures = trainer_of(job).letterboxed(images, job)
        return differences(exported, pictures, trainer_of(job).raw_outputs(weights, pictures, job))


def differences(exported: Path, pictures: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the largest difference of an ONNX file's raw outputs to the weights', relative to one plus the magnitude.

    The images are run one at a time and, if the batch axis is free, in batches too. Infinite for another shape.
    """
    found = [run(pictures) for run in _runs(exported)]
    if any(ours.shape != theirs.shape for ours in found):
        return math.inf
    return max(float((np.abs(ours - theirs) / (1 + np.abs(theirs))).max()) for ours in found)


def cause(weights: Path, exported: Path, images: Sequence[Path], job: Job) -> str:
    """Return why an ONNX file differs from weights, as far as its record and its outputs show."""
    if (source := facts(exported).get(SOURCE)) and source != files.sha256(weights):
        return f"it was exported from other weights, whose SHA-256 begins with {source[:12]}"
    trainer = trainer_of(job)
    with data_mount.Needed(job), named_failure(f"{exported}: cannot be compared with {weights}"):
        pictures = trainer.letterboxed(images, job)
        return causes.cause(one_by_one(exported), lambda inputs: trainer.raw_outputs(weights, inputs, job), pictures)


def facts(exported: Path) -> dict[str, str]:
    """Return the metadata of an ONNX file."""
    return {entry.key: entry.value for entry in onnx.load(exported, load_external_data=False).metadata_props}


def name_source(exported: Path, weights: Path) -> None:
    """Record in an ONNX file the SHA-256 of the weights that it was exported from."""
    graph = onnx.load(exported)
    graph.metadata_props.add(key=SOURCE, value=files.sha256(weights))
    onnx.save(graph, exported)


def one_by_one(exported: Path) -> causes.Run:
    """Return an ONNX file as a function of images, which are run one at a time."""
    return _runs(exported)[0]


def _runs(exported: Path) -> list[causes.Run]:
    """Return an ONNX file as a function of images, run one at a time and, if its batch axis is free, in batches."""
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]

    def run(pictures: NDArray[np.float32], batch: int) -> NDArray[np.float32]:
        parts = (np.ascontiguousarray(pictures[first : first + batch]) for first in range(0, len(pictures), batch))
        return np.concatenate([session.run(None, {entry.name: part})[0] for part in parts])

    sizes = (1,) if isinstance(entry.shape[0], int) else (1, BATCH)
    return [partial(run, batch=size) for size in sizes]
