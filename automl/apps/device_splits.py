"""Whole splits for a kit: their images as the model's input, and what the weights find in them.

The device returns raw outputs. They are judged against the weights' own, which were computed here from the same inputs,
by the same suppression and the same match with the true boxes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.apps.device_stats import Evaluation, stats_of
from automl.apps.serve.detector import letterboxed
from automl.apps.serve.images import Limits, decode
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds
from automl.data import staging
from automl.pipeline import replay
from automl.release import device_script
from automl.storage import files, job_file, scratch
from automl.storage.detections import ImageStats
from automl.storage.layout import BEST
from automl.study import EvalSettings, Job
from automl.study.errors import ExportError
from automl.trainers import trainer_of

LEAST: Final = 0.001
"""Lowest confidence of a box that counts in validation, where the record names none."""
WEIGHTS: Final = "weights-{split}.npz"
BATCH: Final = 16
MOST_BYTES: Final = 4 * 10**9
"""Largest array of pictures of a kit."""
LIMITS: Final = Limits(pixels=400_000_000)
"""Of images that were trained on; those of strangers have lower ones."""
TIMED: Final = 20
"""Images that the device times in turn, as `automl` does."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The splits that a kit shall carry."""

    names: tuple[str, ...]
    data: Path | None
    """The data set, if it is not where the description says."""


def evaluation(record: EvalSettings, *, end_to_end: bool) -> Evaluation:
    """Return how outputs of a version are validated."""
    low = Thresholds(record.conf or LEAST, record.iou, record.max_det, record.agnostic_nms, record.classes)
    return Evaluation(low, end_to_end, record.imgsz)


def write(source: Path, folder: Path, wanted: Splits, how: Evaluation) -> dict[str, int]:
    """Write splits into the folder of a kit: pictures, detections of the weights, images for the end-to-end latency.

    Returns:
        Split to number of images, in the order of the pictures.

    Raises:
        ExportError: the pictures are too large for a kit.
        StudyError: the data set is away, or is another than the version's.
    """
    with scratch.folder() as place:
        job = replace(job_file.read(source), data=str(replay.staged(source, place, wanted.data)), folder=source, gpus=0)
        truths = {split: trainer_of(job).judge(source / BEST, job, split=split)[1] for split in wanted.names}
        counts = {split: truth.images for split, truth in truths.items()}
        listed = [path for split, truth in truths.items() for path in _paths(Path(job.data), split, truth)]
        pictures = write_pictures(folder, listed, how.size)
        starts = np.cumsum([0, *counts.values()]).tolist()
        for (split, truth), (first, end) in zip(truths.items(), pairwise(starts), strict=True):
            outputs = _outputs(source / BEST, job, pictures[first:end])
            stats_of(outputs, truth, how).save(folder / WEIGHTS.format(split=split))
        return counts


def _paths(data: Path, split: str, truth: ImageStats) -> list[Path]:
    """Return the images of a split in the order of their detections."""
    found = {path.name: path for path in staging.images_of(data, split=split)}
    return [found[name] for name in truth.names]


def write_pictures(folder: Path, listed: Sequence[Path], size: int) -> NDArray[np.uint8]:
    """Write images as the model's input, n x 3 x size x size, RGB, 0 to 255, and the first few as they are.

    Returns:
        The inputs, as an array on disk.

    Raises:
        ExportError: one cannot be read, or they are too large for a kit.
    """
    if (needed := len(listed) * 3 * size * size) > MOST_BYTES:
        raise ExportError(
            f"--split: {len(listed)} images of {size} pixels must take at most {MOST_BYTES / 1e9:g} GB in the kit, but "
            f"take {needed / 1e9:.1f} GB; choose one split, or give some pictures by --images"
        )
    pictures = np.lib.format.open_memmap(
        folder / device_script.PICTURES, mode="w+", dtype=np.uint8, shape=(len(listed), 3, size, size)
    )
    for index, path in enumerate(listed):
        pictures[index] = _as_stored(path, size)
    pictures.flush()
    for index, path in enumerate(listed[:TIMED]):
        files.copy(path, folder / f"timed-{index:02}{path.suffix.lower()}")
    return pictures


def _as_stored(path: Path, size: int) -> NDArray[np.uint8]:
    try:
        picture = letterboxed(decode(path.read_bytes(), LIMITS), size=size)[0]
    except (RequestError, OSError) as error:
        raise ExportError(f"{path}: must be a picture, but {error}") from None
    pixels: NDArray[np.uint8] = np.rint(picture * np.float32(255)).astype(np.uint8)
    return pixels


def _outputs(weights: Path, job: Job, pictures: NDArray[np.uint8]) -> Iterator[NDArray[Any]]:
    for first in range(0, len(pictures), BATCH):
        inputs = np.divide(pictures[first : first + BATCH], np.float32(255), dtype=np.float32)
        yield from trainer_of(job).raw_outputs(weights, inputs, job)
