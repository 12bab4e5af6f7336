"""Detection on images and videos, one record an image or frame, by the mechanism that serves.

Decoding, letterbox, thresholds and suppression are those of `automl serve`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2

from automl.apps.predict import videos
from automl.apps.predict.drawing import drawn
from automl.apps.predict.sources import Source
from automl.apps.serve.images import Limits, decode
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds
from automl.apps.serve.version import Served
from automl.storage import files

QUALITY: Final = 95
"""Of JPEG files."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in an image, or in a frame of a video; or why nothing could be found."""

    source: Source
    width: int = 0
    height: int = 0
    boxes: tuple[dict[str, Any], ...] = ()
    frame: int | None = None
    """Number of the frame, from 0."""
    seconds: float | None = None
    """Time of the frame in its video."""
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the record for a line of JSON."""
        if self.error:
            return {"file": self.source.name, "error": self.error}
        moment = {} if self.frame is None else {"frame": self.frame, "seconds": self.seconds}
        size = {"width": self.width, "height": self.height}
        return {"file": self.source.name, **moment, **size, "boxes": list(self.boxes)}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is detected how, and where copies with boxes are written."""

    served: Served
    wanted: Thresholds
    out: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def run(self, sources: Sequence[Source]) -> Iterator[Found]:
        """Yield a record for each image and each frame; copies are written as they are made."""
        for source in sources:
            if source.is_video:
                yield from self._video(source)
            else:
                yield self._image(source)

    def _image(self, source: Source) -> Found:
        try:
            picture = decode(bytearray(source.path.read_bytes()), self.limits)
        except RequestError as error:
            return Found(source, error=error.law)
        except OSError as error:
            return Found(source, error=f"must be readable, but {error.strerror}")
        found = self._found(source, picture)
        if self.out is not None:
            _write(source.target(self.out), drawn(picture, found.boxes))
        return found

    def _video(self, source: Source) -> Iterator[Found]:
        number = -1
        try:
            with videos.opened(source.path) as video, self._copy(source, video.rate) as copy:
                for number, picture in enumerate(video.frames):
                    found = self._found(source, picture, frame=number, seconds=round(number / video.rate, 3))
                    if copy is not None:
                        copy.add(drawn(picture, found.boxes))
                    yield found
        except videos.Unreadable as error:
            yield Found(source, error=str(error))
            return
        if number + 1 < video.promised:
            yield Found(source, error=f"must have {video.promised} frames, but only {number + 1} could be read")

    @contextmanager
    def _copy(self, source: Source, rate: float) -> Iterator[videos.Copy | None]:
        """Write a video during a block; it is discarded where the block fails or is left."""
        copy = None if self.out is None else videos.Copy(source.target(self.out), rate=rate)
        try:
            yield copy
            if copy is not None:
                copy.finish()
        finally:
            if copy is not None:
                copy.discard()

    def _found(self, source: Source, picture: Any, *, frame: int | None = None, seconds: float | None = None) -> Found:  # noqa: ANN401
        boxes = tuple(self.served.detector.detect(picture, self.wanted))
        return Found(source, picture.shape[1], picture.shape[0], boxes, frame, seconds)


def _write(path: Path, picture: Any) -> None:  # noqa: ANN401
    path.parent.mkdir(parents=True, exist_ok=True)
    _, content = cv2.imencode(path.suffix.lower(), picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    files.write_bytes(path, content.tobytes())
