"""Videos: frames read one after another, and a copy with boxes, written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
from numpy.typing import NDArray

from automl.study.errors import StudyError

USUAL_RATE: Final = 25.0
"""Frames per second of a video that does not tell."""
FASTEST: Final = 1000.0
CODEC: Final = "mp4v"


class Unreadable(Exception):  # noqa: N818  (a finding about a file, listed with others)
    """A file that is no video."""


@dataclass(frozen=True, slots=True)
class Video:
    """An open video."""

    rate: float
    """Frames per second."""
    promised: int
    """Frames by its header, 0 if unknown."""
    frames: Iterator[NDArray[Any]]
    """BGR pictures, turned as the header tells."""


@contextmanager
def opened(path: Path) -> Iterator[Video]:
    """Open a video file.

    Raises:
        Unreadable: it is none.
    """
    capture = cv2.VideoCapture(os.fspath(path))
    try:
        if not capture.isOpened():
            raise Unreadable("must be a video that OpenCV can read")
        rate = capture.get(cv2.CAP_PROP_FPS)
        promised = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        known = 0 < rate <= FASTEST
        yield Video(rate if known else USUAL_RATE, int(promised) if 0 < promised < 1e9 else 0, _frames(capture))
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture) -> Iterator[NDArray[Any]]:
    while True:
        read, picture = capture.read()
        if not read:
            return
        yield picture


class Copy:
    """A video that is written beside its place and moved there when it is complete."""

    def __init__(self, target: Path, *, rate: float) -> None:
        """Prepare; the file is opened with the first frame, whose size it has."""
        self._target, self._rate = target, rate
        self._draft = target.with_name(f".{target.name}.{os.getpid()}.mp4")
        self._writer: cv2.VideoWriter | None = None

    def add(self, picture: NDArray[Any]) -> None:
        """Write a frame.

        Raises:
            StudyError: the file cannot be written.
        """
        if self._writer is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            size = (picture.shape[1], picture.shape[0])
            codec = cv2.VideoWriter.fourcc(*CODEC)
            self._writer = cv2.VideoWriter(os.fspath(self._draft), codec, self._rate, size)
            if not self._writer.isOpened():
                raise StudyError(f"{self._target}: must be a file that OpenCV can write, but it cannot; see --out")
        self._writer.write(picture)

    def finish(self) -> None:
        """Move the complete video to its place."""
        if self._writer is not None:
            self._writer.release()
            self._draft.replace(self._target)

    def discard(self) -> None:
        """Delete what was written of a video that is not complete."""
        if self._writer is not None:
            self._writer.release()
        self._draft.unlink(missing_ok=True)
