"""Raw outputs of an ONNX file against those of its weights on whole splits: edges of boxes in pixels, and scores."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.data import staging
from automl.release.parity import VAL, named_failure, one_by_one
from automl.study import Job, RawDifference
from automl.trainers import trainer_of
from automl.trials import data_mount

Array = NDArray[np.float32]
HELD: Final = 256 * 2**20
"""Bytes of the inputs that are compared at once."""
RANK, ROW, BOX = 3, 6, 4
"""A detector's output is n x (4 + classes) x anchors, or n x rows x 6 of an end-to-end head; a box is 4 numbers."""
LEAST: Final = 1e-3
"""Lowest score of a row of an end-to-end head that is matched; those near the last rank may be others."""


def of_splits(weights: Path, exported: Path, job: Job) -> RawDifference:
    """Return the largest differences on all images of val and of the job's split.

    Raises:
        ExportError: the files cannot be run, or an output has another shape.
        DataAwayError: images are away.
    """
    with named_failure(f"{exported}: cannot be compared with {weights}"):
        run = one_by_one(exported)
    trainer, box, score, count = trainer_of(job), 0.0, 0.0, 0
    for images in _portions(job):
        with data_mount.Needed(job), named_failure(f"{exported}: cannot be compared with {weights}"):
            pictures = trainer.letterboxed(images, job)
            theirs = trainer.raw_outputs(weights, pictures, job)
            found = difference(run(pictures), theirs)
        box, score, count = max(box, found[0]), max(score, found[1]), count + len(pictures)
    return RawDifference(box, score, count)


def _portions(job: Job) -> Iterator[Sequence[Path]]:
    """Yield the images of val and of the judged split, as many at once as memory holds."""
    size = 3 * 4 * trainer_of(job).evaluation(job).imgsz ** 2
    most = max(1, HELD // size)
    for split in dict.fromkeys((VAL, job.split)):
        images = staging.images_of(Path(job.data), split=split)
        yield from (images[first : first + most] for first in range(0, len(images), most))


def difference(ours: Array, theirs: Array) -> tuple[float, float]:
    """Return the largest difference of an edge of a box, in pixels of the input, and of a score.

    The same anchor is compared; of an end-to-end head the row of the same class whose box is nearest.

    Raises:
        ValueError: the outputs have different shapes.

    >>> theirs = np.array([[[10.0], [10.0], [4.0], [4.0], [0.5]]], np.float32)
    >>> difference(theirs + np.float32([[[0.25], [0], [0.5], [0], [0.125]]]), theirs)
    (0.5, 0.125)
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"outputs must have the shape {theirs.shape}, but have {ours.shape}")
    if theirs.ndim != RANK:  # not a detector's output: numbers alone
        return 0.0, float(np.abs(ours - theirs).max(initial=0.0))
    if theirs.shape[-1] == ROW:
        found = [_of_rows(mine, other) for mine, other in zip(ours, theirs, strict=True)]
        return max((one[0] for one in found), default=0.0), max((one[1] for one in found), default=0.0)
    edges = [_edges(one[:, :BOX]) for one in (ours, theirs)]
    boxes, scores = np.abs(edges[0] - edges[1]), np.abs(ours[:, BOX:] - theirs[:, BOX:])
    return float(boxes.max(initial=0.0)), float(scores.max(initial=0.0))


def _edges(boxes: Array) -> Array:
    """Return left, top, right and bottom of boxes as centre and size, n x 4 x anchors."""
    centres, halves = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)


def _of_rows(ours: Array, theirs: Array) -> tuple[float, float]:
    """Return the differences of the rows of one image: box, score, class."""
    last = theirs[:, BOX].min(initial=0.0) + LEAST if len(theirs) else 0.0
    box = score = 0.0
    for row in theirs[theirs[:, BOX] > max(last, LEAST)]:
        same = ours[ours[:, -1] == row[-1]]
        if not len(same):
            return float("inf"), float(row[BOX])
        apart = np.abs(same[:, :BOX] - row[:BOX]).max(axis=1)
        nearest = int(apart.argmin())
        box, score = max(box, float(apart[nearest])), max(score, float(abs(same[nearest, BOX] - row[BOX])))
    return box, score
