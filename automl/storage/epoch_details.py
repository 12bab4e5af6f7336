"""Details of one epoch beside its measurement: per-class values, pictures, precision-recall curves, histograms.

They show what a training does and decide nothing, so they are not in the journal. The scalars of all epochs are in
`details.csv`; the rest of an epoch is in one `.npz` archive, which the driver deletes once it is in an event file.
"""

import csv
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from automl.storage import files
from automl.storage.detections import DAMAGES
from automl.storage.layout import DETAILS, PICTURES
from automl.study.errors import StudyError

LOG: Final = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]
EPOCH: Final = "epoch"
IMAGE: Final = "image:"
PR: Final = "pr:"
HISTOGRAM: Final = "histogram:"
SUFFIX: Final = ".npz"


@dataclass(frozen=True, slots=True, eq=False)
class PrCurve:
    """Precision and recall of one class at confidence thresholds spaced evenly from 0 to 1."""

    precision: FloatArray
    """(thresholds,) 0 to 1."""
    recall: FloatArray
    """(thresholds,) 0 to 1."""
    truths: int
    """Ground-truth boxes of the class."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Counts of values between edges."""

    counts: FloatArray
    """(bins,)"""
    edges: FloatArray
    """(bins + 1,) ascending."""


@dataclass(frozen=True, slots=True)
class EpochDetails:
    """What a trainer shows of an epoch, by tag."""

    scalars: Mapping[str, float] = field(default_factory=dict)
    images: Mapping[str, bytes] = field(default_factory=dict)
    """Encoded as JPEG or PNG."""
    pr_curves: Mapping[str, PrCurve] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)

    @property
    def pictured(self) -> bool:
        """Return True if there is more than scalars."""
        return bool(self.images or self.pr_curves or self.histograms)

    def save(self, path: Path) -> None:
        """Write all but the scalars as an .npz archive without pickled objects."""
        arrays: dict[str, Any] = {IMAGE + tag: np.frombuffer(image, np.uint8) for tag, image in self.images.items()}
        for tag, curve in self.pr_curves.items():
            arrays[PR + tag] = np.concatenate([curve.precision, curve.recall, [curve.truths]])
        for tag, histogram in self.histograms.items():
            arrays[HISTOGRAM + tag] = np.concatenate([histogram.counts, histogram.edges])
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        files.write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            StudyError: the file is damaged.
            OSError: it is missing, or cannot be read now.
        """
        content = path.read_bytes()
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                arrays = {name: np.asarray(archive[name]) for name in archive.files}
        except DAMAGES as wrong:
            raise StudyError(f"{path}: must be an archive of pictures, but {wrong}; they cannot be shown") from wrong
        return cls(
            images={tag: array.astype(np.uint8).tobytes() for tag, array in _tagged(arrays, IMAGE)},
            pr_curves={tag: _curve(array) for tag, array in _tagged(arrays, PR)},
            histograms={tag: _histogram(array) for tag, array in _tagged(arrays, HISTOGRAM)},
        )


def picture_file(folder: Path, epoch: int) -> Path:
    """Return the path of an epoch's archive in a trial's folder."""
    return folder / PICTURES / f"{epoch:06d}{SUFFIX}"


def picture_files(folder: Path) -> list[tuple[int, Path]]:
    """Return the epochs and archives in a trial's folder, in the order of epochs."""
    found = sorted((folder / PICTURES).glob(f"[0-9]*{SUFFIX}"))
    return [(int(path.stem), path) for path in found if path.stem.isdecimal()]


def read_details(folder: Path) -> dict[int, dict[str, float]]:
    """Return the scalars of a trial by epoch; empty if there is no file, or a damaged one.

    Nothing depends on them, so damage must not stop a trial: it is logged, and the next epoch begins a new file.

    Raises:
        OSError: the file cannot be read now.
    """
    path = folder / DETAILS
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {int(row[EPOCH]): _scalars(row) for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        LOG.warning(f"{path}: damaged, so the curves of earlier epochs are lost: {type(error).__name__}: {error}")
        return {}


def write_details(folder: Path, details: Mapping[int, Mapping[str, float]]) -> None:
    """Write `details.csv` atomically, one row per epoch; an empty cell is a value that the epoch does not have."""
    names = [*dict.fromkeys(chain.from_iterable(details.values()))]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [EPOCH, *names])
    writer.writeheader()
    writer.writerows({EPOCH: epoch, **values} for epoch, values in sorted(details.items()))
    files.write_text(folder / DETAILS, text.getvalue())


def _scalars(row: Mapping[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name != EPOCH and value}


def _tagged(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Sequence[tuple[str, NDArray[Any]]]:
    return [(name.removeprefix(prefix), array) for name, array in arrays.items() if name.startswith(prefix)]


def _curve(array: NDArray[Any]) -> PrCurve:
    half = len(array) // 2
    return PrCurve(array[:half], array[half : 2 * half], int(array[-1]))


def _histogram(array: NDArray[Any]) -> Histogram:
    bins = len(array) // 2
    return Histogram(array[:bins], array[bins:])
