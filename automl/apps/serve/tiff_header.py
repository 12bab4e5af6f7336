"""First directory of a TIFF or BigTIFF: size and layout of its page, every length checked against the content."""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from automl.apps.serve.refusal import NO_IMAGE, RequestError

Content = bytes | bytearray | memoryview
CLASSIC: Final = 42
MAX_TAGS: Final = 512
"""Maximum tags of a page; baseline files have about 15."""
MAX_PARTS: Final = 65_536
"""Maximum strips or tiles of a page: a decoder keeps a table of them."""
MAX_CHANNELS: Final = 64
WIDTH, HEIGHT, BITS, CHANNELS, ROWS, PLANES, TILE_WIDTH, TILE_HEIGHT = 256, 257, 258, 277, 278, 284, 322, 323
DEFAULTS: Final = {BITS: 1, CHANNELS: 1, ROWS: 2**32 - 1, PLANES: 1, TILE_WIDTH: 0, TILE_HEIGHT: 0}
LAYOUT: Final = frozenset({WIDTH, HEIGHT, *DEFAULTS})
INTEGERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value by its field type."""


@dataclass(frozen=True, slots=True)
class Page:
    """The first page of a TIFF."""

    width: int
    height: int
    stored: int
    """Bytes of the page as it is stored, unpacked."""
    part: int
    """Bytes of one strip or tile, unpacked."""


@dataclass(frozen=True, slots=True)
class _Directory:
    order: str
    big: bool
    start: int
    """Offset of the first entry."""
    count: int

    @property
    def end(self) -> int:
        """Return the offset of the pointer to the next directory."""
        return self.start + self.count * (20 if self.big else 12)


def read(content: Content) -> Page:
    """Return the first page.

    Raises:
        RequestError: the directory is malformed (400).
    """
    directory = _directory(content)
    tags, total = DEFAULTS.copy(), 0
    seen: set[int] = set()
    for entry in _entries(content, directory):
        tag, kind, count, _ = entry
        total += SIZES.get(kind, 8) * count
        if total > len(content) + MAX_TAGS * 8 or (tag in seen and tag in LAYOUT):
            raise RequestError(400, NO_IMAGE)
        seen.add(tag)
        if tag in LAYOUT:
            tags[tag] = max(_values(content, directory, entry))
    return _page(tags)


def cut_after_first(content: bytearray) -> None:
    """Unlink the further directories of a file in place: a decoder would read them, their lengths unchecked."""
    directory = _directory(content)
    size = 8 if directory.big else 4
    content[directory.end : directory.end + size] = bytes(size)


def _directory(content: Content) -> _Directory:
    order = "<" if bytes(content[:2]) == b"II" else ">"
    big = _field(content, f"{order}H", 2) != CLASSIC
    start = _field(content, f"{order}Q" if big else f"{order}I", 8 if big else 4)
    count = _field(content, f"{order}Q" if big else f"{order}H", start)
    found = _Directory(order, big=big, start=start + (8 if big else 2), count=count)
    if not 0 < count <= MAX_TAGS or start < 8 or found.end + (8 if big else 4) > len(content):
        raise RequestError(400, NO_IMAGE)
    return found


def _entries(content: Content, directory: _Directory) -> Iterator[tuple[int, int, int, int]]:
    """Yield tag, field type, number of values, and the offset of the field of values or of their offset."""
    layout = f"{directory.order}HH{'Q' if directory.big else 'I'}"
    size = struct.calcsize(layout)
    for at in range(directory.start, directory.end, size + (8 if directory.big else 4)):
        tag, kind, count = struct.unpack_from(layout, content, at)
        yield tag, kind, count, at + size


def _values(content: Content, directory: _Directory, entry: tuple[int, int, int, int]) -> tuple[int, ...]:
    """Return the first values of an entry, which stand in it, or where it points to."""
    _, kind, count, at = entry
    if kind not in INTEGERS or count < 1:
        raise RequestError(400, NO_IMAGE)
    if SIZES[kind] * count > (8 if directory.big else 4):
        at = _field(content, f"{directory.order}{'Q' if directory.big else 'I'}", at)
    return _fields(content, f"{directory.order}{min(count, MAX_CHANNELS)}{INTEGERS[kind]}", at)


def _field(content: Content, layout: str, at: int) -> int:
    return _fields(content, layout, at)[0]


def _fields(content: Content, layout: str, at: int) -> tuple[int, ...]:
    if at + struct.calcsize(layout) > len(content):
        raise RequestError(400, NO_IMAGE)
    return struct.unpack_from(layout, content, at)


def _page(tags: dict[int, int]) -> Page:
    if WIDTH not in tags or HEIGHT not in tags or min(tags[WIDTH], tags[HEIGHT], tags[BITS], tags[ROWS]) < 1:
        raise RequestError(400, NO_IMAGE)
    if not 1 <= tags[CHANNELS] <= MAX_CHANNELS:
        raise RequestError(400, NO_IMAGE)
    width, height = tags[WIDTH], tags[HEIGHT]
    tile = tags[TILE_WIDTH], tags[TILE_HEIGHT]
    wide, high = tile if max(tile) > 0 else (width, min(tags[ROWS], height))
    if min(wide, high) < 1:
        raise RequestError(400, NO_IMAGE)
    parts = math.ceil(width / wide) * math.ceil(height / high)
    if parts * (tags[CHANNELS] if tags[PLANES] == 2 else 1) > MAX_PARTS:
        raise RequestError(400, f"a TIFF must have at most {MAX_PARTS} strips or tiles; save it with fewer")
    pixel = tags[CHANNELS] * math.ceil(tags[BITS] / 8)
    return Page(width, height, width * height * pixel, wide * high * pixel)
