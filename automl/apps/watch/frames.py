"""Pictures of a source: files of a folder that fills, frames of a video file, the newest frame of a live stream."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cv2
from numpy.typing import NDArray

from automl.apps.predict import videos
from automl.apps.predict.sources import IMAGES
from automl.apps.serve.images import Limits, decode
from automl.apps.serve.refusal import RequestError
from automl.apps.watch.address import Address

LOG: Final = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5
"""Between two looks at a folder, and so the time in which a file must not change before it is read."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to connect; each is twice as long as the one before."""
KEPT_QUALITY: Final = 95
"""Of a JPEG for labelling and training: a frame of a stream has no file of its own."""
TIMEOUT_MS: Final = 10_000
"""Of connecting to a stream, and of waiting for a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of a source, or why there is none."""

    place: Mapping[str, Any]
    """Where it is from: the name of a file, or the number of a frame."""
    picture: NDArray[Any] | None = None
    """BGR."""
    skipped: int = 0
    """Frames before it for which there was no time."""
    error: str = ""
    at: str = ""
    """When it was read: UTC, ISO 8601."""


def encoded(picture: NDArray[Any]) -> bytes:
    """Return a BGR picture as JPEG of little loss; empty where it cannot be encoded."""
    done, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, KEPT_QUALITY])
    return content.tobytes() if done else b""


def now() -> str:
    """Return the time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def of_folder(folder: Path, limits: Limits, *, sleep: Callable[[float], None] = time.sleep) -> Iterator[Frame]:
    """Yield each image of a folder once, in the order of their changes, then each that is added or replaced, for ever.

    An image is read when it has not changed between two looks at the folder, so that one is not read half written.
    """
    done: dict[str, tuple[int, int]] = {}
    before: dict[str, tuple[int, int]] = {}
    while True:
        seen = _stamps(folder)
        if seen is None:
            sleep(POLL_SECONDS)
            continue
        ready = [name for name, stamp in seen.items() if before.get(name) == stamp != done.get(name)]
        for name in sorted(ready, key=lambda name: (seen[name][0], name)):
            yield _image(folder / name, limits)
            done[name] = seen[name]
        if seen:  # an empty folder may be a mount point whose storage is away: its images are not new when it is back
            done = {name: stamp for name, stamp in done.items() if name in seen}
        before = seen
        sleep(POLL_SECONDS)


def _stamps(folder: Path) -> dict[str, tuple[int, int]] | None:
    """Return time of change and size of each image in a folder; None for a folder that is away."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name[0] != "." and Path(entry.name).suffix.lower() in IMAGES and entry.is_file():
                    with suppress(FileNotFoundError):  # moved away by another program since it was listed
                        status = entry.stat()
                        found[entry.name] = (status.st_mtime_ns, status.st_size)
    except OSError as error:
        LOG.warning(f"{folder}: must be readable, but {error.strerror}; tried again")
        return None
    return found


def _image(path: Path, limits: Limits) -> Frame:
    place = {"file": path.name}
    try:
        return Frame(place, decode(bytearray(path.read_bytes()), limits), at=now())
    except RequestError as error:
        return Frame(place, error=error.law, at=now())
    except OSError as error:
        return Frame(place, error=f"must be readable, but {error.strerror}", at=now())


def of_video(path: Path) -> Iterator[Frame]:
    """Yield every frame of a video file, then end."""
    number = -1
    try:
        with videos.opened(path) as video:
            for number, picture in enumerate(video.frames):
                yield Frame({"frame": number, "seconds": round(number / video.rate, 3)}, picture, at=now())
            promised = video.promised
    except videos.Unreadable as error:
        yield Frame({"frame": 0}, error=str(error), at=now())
        return
    if number + 1 < promised:
        yield Frame({"frame": number + 1}, error=f"the video must have {promised} frames, but ends here", at=now())


class Stream:
    """The newest frame of a live stream, read in a thread; the connection is made again when it is lost."""

    def __init__(self, address: Address, *, first_pause: float = FIRST_PAUSE) -> None:
        """Prepare; `reading` connects."""
        self._address, self._first_pause = address, first_pause
        self._stop, self._news = threading.Event(), threading.Condition()
        self._frame: Frame | None = None
        self._number = 0
        self._connected = False

    @contextmanager
    def reading(self) -> Iterator[Iterator[Frame]]:
        """Yield the frames while a thread reads the stream."""
        thread = threading.Thread(target=self._read, name="stream", daemon=True)
        thread.start()
        try:
            yield self._newest()
        finally:
            self._stop.set()
            thread.join(TIMEOUT_MS / 1000)

    def _newest(self) -> Iterator[Frame]:
        while True:
            with self._news:
                while self._frame is None:
                    self._news.wait(1.0)  # a bounded wait, so that Ctrl-C is seen
                frame, self._frame = self._frame, None
            yield frame

    def _read(self) -> None:
        pause = self._first_pause
        while not self._stop.is_set():
            if self._connection():
                pause = self._first_pause
            if self._stop.is_set():
                return
            LOG.warning(f"{self._address}: must send frames, but does not; connects again in {pause:g} s")
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _connection(self) -> bool:
        """Read frames until the connection is lost; return whether there were any."""
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
        capture = cv2.VideoCapture(self._address.url, cv2.CAP_FFMPEG, limits)
        found = False
        try:
            while capture.isOpened() and not self._stop.is_set():
                read, picture = capture.read()
                if not read:
                    break
                if not found:
                    LOG.info(f"{self._address}: connected, frames of {picture.shape[1]} x {picture.shape[0]} pixels")
                found = True
                self._put(picture)
        finally:
            capture.release()
        return found

    def _put(self, picture: NDArray[Any]) -> None:
        with self._news:
            skipped = 0 if self._frame is None else self._frame.skipped + 1
            self._frame = Frame({"frame": self._number}, picture, skipped, at=now())
            self._number += 1
            self._news.notify()
