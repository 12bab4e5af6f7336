"""Folder of pictures from the field: what serving was unsure of, and what people marked; bounded in bytes and rate."""

import hashlib
import json
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Any, Final

from automl.apps.serve.refusal import RequestError
from automl.storage import files
from automl.study.errors import RegistryError

MOST_BYTES: Final = 1 << 30
"""Bytes of a folder: about 5,000 pictures of 200 kB."""
LEAST_DOUBT: Final = 0.5
"""A picture is unsure if a box has a confidence between 0.75 and 1.25 times the served threshold."""
MOST_AN_HOUR: Final = 20
"""Unsure pictures kept an hour: as many as a person labels in some minutes; a bad lamp makes every picture unsure."""
RANDOM_SHARE: Final = 0.005
"""Share of the other pictures that is kept, at most MOST_AN_HOUR an hour as well: a model that surely sees nothing
where there is something is never unsure."""
HOUR: Final = 3600.0
SUFFIXES: Final = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp"}


class Why(StrEnum):
    """Why a picture was kept."""

    UNSURE = "unsure"
    RANDOM = "random"
    FEEDBACK = "feedback"
    """A person marked it; never deleted to make room."""


@dataclass(frozen=True, slots=True)
class _Kept:
    picture: Path
    size: int
    why: Why


class FieldFolder:
    """The pictures of one service; `wanted` is called from its event loop, `keep` from a thread of each request."""

    def __init__(
        self,
        folder: Path,
        *,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Open a folder; what is in it counts.

        Raises:
            RegistryError: it cannot be written.
        """
        self.folder, self._most, self._clock, self._draw = folder, most_bytes, clock, draw
        self._lock = threading.Lock()
        self._recent: dict[Why, deque[float]] = {Why.UNSURE: deque(), Why.RANDOM: deque()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._kept = {one.picture.stem: one for one in map(_read, sorted(folder.glob("*.json"))) if one}
        except OSError as error:
            raise RegistryError(f"--field: must be a folder that can be written, but {error.strerror}") from None

    def wanted(self, doubt: float) -> Why | None:
        """Return why a picture should be kept, by the sampling rule; None if it should not. Counts it as kept."""
        why = Why.UNSURE if doubt >= LEAST_DOUBT else Why.RANDOM
        if why is Why.RANDOM and self._draw() >= RANDOM_SHARE:
            return None
        recent, now = self._recent[why], self._clock()
        while recent and now - recent[0] >= HOUR:
            recent.popleft()
        if len(recent) >= MOST_AN_HOUR:
            return None
        recent.append(now)
        return why

    def keep(self, content: bytes | bytearray, kind: str, why: Why, note: Mapping[str, Any]) -> str:
        """Write a picture and its note, and return its id: the digest of its content, so that one is kept once.

        `kind` is that of the image's header. The oldest pictures without a mark are deleted for it.

        Raises:
            RequestError: the folder is full of marked pictures (507), or cannot be written (503).
        """
        name = hashlib.blake2b(content, digest_size=12).hexdigest()
        text = json.dumps({"at": datetime.now(UTC).isoformat(timespec="seconds"), "why": why, **note}, allow_nan=False)
        picture = self.folder / f"{name}{SUFFIXES.get(kind, '.img')}"
        with self._lock:
            if name in self._kept and why is not Why.FEEDBACK:
                return name
            self._make_room(len(content) + len(text), besides=name)
            try:
                files.write_bytes(picture, bytes(content))
                files.write_text(picture.with_suffix(".json"), text + "\n")
            except OSError as error:
                raise RequestError(503, f"the picture cannot be kept: {error.strerror}; try again") from None
            self._kept.pop(name, None)
            self._kept[name] = _Kept(picture, len(content) + len(text), why)
        return name

    def _make_room(self, size: int, *, besides: str) -> None:
        free = self._most - sum(one.size for name, one in self._kept.items() if name != besides)
        for name, one in list(self._kept.items()):
            if free >= size:
                return
            if one.why is not Why.FEEDBACK and name != besides:
                one.picture.with_suffix(".json").unlink(missing_ok=True)
                one.picture.unlink(missing_ok=True)
                del self._kept[name]
                free += one.size
        if free < size:
            raise RequestError(507, f"the field folder holds at most {self._most} bytes; collect it: automl field")


def _read(note: Path) -> _Kept | None:
    """Return what a note says; None for one without its picture."""
    paths = (note.with_suffix(suffix) for suffix in (*SUFFIXES.values(), ".img"))
    picture = next((path for path in paths if path.is_file()), None)
    if picture is None:
        return None
    try:
        why = Why(json.loads(note.read_text(encoding="utf-8"))["why"])
    except (ValueError, KeyError, TypeError):
        why = Why.FEEDBACK  # nothing that cannot be read is deleted
    return _Kept(picture, picture.stat().st_size + note.stat().st_size, why)
