"""Detector: a model with letterbox and non-maximum suppression in OpenCV and NumPy; any backend runs the model."""

import ast
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from automl.apps.serve import postprocess
from automl.apps.serve.backend import Array, Backend
from automl.apps.serve.postprocess import described, detections
from automl.apps.serve.thresholds import Thresholds
from automl.study.errors import RegistryError

MOST_WORKERS: Final = 4
END_TO_END: Final = 6
"""Numbers of a box of an end-to-end head: corners, confidence, class."""


class Detector:
    """A loaded detection model; safe to call from several threads."""

    def __init__(self, backend: Backend) -> None:
        """Read the form of a model, and run it once on noise.

        Raises:
            RegistryError: it is not a detection model that can be served.
        """
        self._backend = backend
        batch, *rest = backend.shape or (None,)
        source, metadata = backend.source, backend.metadata
        static = len(rest) == 3 and rest[0] == 3 and all(type(edge) is int for edge in rest)
        if not static or (type(batch) is int and batch != 1):
            raise RegistryError(
                f"{source}: must have an input of 1 x 3 x height x width, but has {list(backend.shape)}"
            )
        if metadata.get("task", "detect") != "detect" or rest[1] != rest[2]:
            raise RegistryError(
                f"{source}: must be a detector of square images, but is {metadata.get('task')} at {rest[1:]}"
            )
        self.size, self.names = int(rest[1]), _names(metadata, source)
        self.end_to_end = metadata.get("end2end") == "True"
        self.check(np.random.default_rng(0).integers(0, 256, (self.size, self.size, 3), dtype=np.uint8))

    @property
    def provider(self) -> str:
        """Return what runs the model."""
        return self._backend.provider

    def check(self, picture: NDArray[Any]) -> None:
        """Run a BGR picture through the model and look at the raw output.

        Raises:
            RegistryError: its shape is not that of a detector, or a number in it is not finite.
        """
        output = self._output(picture)
        self.end_to_end = self.end_to_end or output.shape[-1] == END_TO_END
        rows = len(self.names) + 4 if self.names else None
        fine = output.shape[1] == END_TO_END if self.end_to_end else rows in {None, output.shape[0]}
        if not fine:
            wanted = f"boxes x {END_TO_END}" if self.end_to_end else f"{rows} x anchors"
            shape = " x ".join(map(str, output.shape))
            raise RegistryError(f"{self._backend.source}: must have an output of {wanted}, but has {shape}")
        if not np.isfinite(output).all():
            raise RegistryError(f"{self._backend.source}: must have finite outputs, but some are NaN or infinite")
        self.detect(picture, Thresholds())

    def detect(self, picture: NDArray[Any], wanted: Thresholds) -> list[dict[str, Any]]:
        """Return the boxes in a BGR picture: name, confidence, and x0, y0, x1, y1 in its pixels."""
        return self._boxes(self._output(picture), picture, wanted)

    def detect_with_doubt(self, picture: NDArray[Any], wanted: Thresholds) -> tuple[list[dict[str, Any]], float]:
        """Return the boxes as `detect` does, and the doubt: how near the threshold the nearest confidence is.

        1 for a confidence at the threshold, 0 for none between half and one and a half times the threshold.
        """
        output = self._output(picture)
        candidates = detections(output, replace(wanted, conf=wanted.conf / 2), end_to_end=self.end_to_end)
        half = max(wanted.conf / 2, 1e-6)
        nearest = float(np.abs(candidates[:, 4] - wanted.conf).min()) if len(candidates) else half
        return self._boxes(output, picture, wanted), max(0.0, 1.0 - nearest / half)

    def _boxes(self, output: Array, picture: NDArray[Any], wanted: Thresholds) -> list[dict[str, Any]]:
        shape = (picture.shape[0], picture.shape[1])
        found = detections(output, wanted, end_to_end=self.end_to_end)
        return described(found, shape, size=self.size, names=self.names)

    def _output(self, picture: NDArray[Any]) -> Array:
        """Return the raw output for one picture, two axes."""
        output = self._backend.run(letterboxed(picture, size=self.size))
        if output.ndim != 3 or len(output) != 1:
            shape = " x ".join(map(str, output.shape))
            raise RegistryError(f"{self._backend.source}: must have an output of 1 x rows x columns, but has {shape}")
        one: Array = output[0]
        return one


def letterboxed(picture: NDArray[Any], *, size: int) -> NDArray[np.float32]:
    """Return a BGR picture as 1 x 3 x size x size, RGB, 0..1: letterboxed, centred on grey, as in evaluation."""
    return postprocess.letterboxed(picture, size=size, resize=cv2.resize)


def workers() -> int:
    """Return the number of concurrent requests: one a core, at most 4, since each keeps a decoded image in memory."""
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


def _names(metadata: Mapping[str, str], source: str) -> dict[int, str]:
    try:
        found = ast.literal_eval(metadata.get("names", "{}"))
        return {int(number): str(name) for number, name in found.items()}
    except (ValueError, SyntaxError, AttributeError, TypeError, RecursionError, MemoryError):
        raise RegistryError(
            f"{source}: must contain its class names, but contains {metadata['names'][:100]!r}"
        ) from None
