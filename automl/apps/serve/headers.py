"""Headers of encoded images: kind, size and the memory that decoding takes, read without a decoder.

No image library reads a stranger's bytes before these bounds are checked. Whatever is not read here as its kind's
specification says is refused; lengths are compared with the content, never used to allocate.
"""

import math
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from automl.apps.serve import tiff_header
from automl.apps.serve.refusal import NO_IMAGE, RequestError

Content = bytes | bytearray | memoryview
MAX_SCANS: Final = 32
"""Maximum scans of a JPEG: each decodes the whole image again; progressive files of common encoders have 10."""
MAX_PARTS: Final = 65_536
"""Maximum chunks of a PNG or segments of a JPEG: libpng writes 8 KiB each, so a file of 32 MiB has 4,096."""
PNG: Final = b"\x89PNG\r\n\x1a\n"
KEPT_CHUNKS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"})
"""The chunks of a PNG that decide its pixels; animation, colour profile and texts are dropped unread."""
BYTES: Final = 3
"""Bytes of a decoded pixel."""
TURNED: Final = 2 * BYTES
"""Bytes a pixel while an image is turned by its EXIF orientation: the decoded image and the turned one."""
LOSSLESS_WEBP: Final = 7
ANIMATED_WEBP: Final = 12
"""libwebp decodes to four bytes a pixel, in an animation on two canvases of four; then BYTES."""
MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
END, SCAN, ALONE, SOI, COUNT_OF_FRAME = 0xD9, 0xDA, 0x01, 0xD8, 9
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})


@dataclass(frozen=True, slots=True)
class Header:
    """What an encoded image says of itself."""

    kind: str
    width: int
    height: int
    memory: int
    """The most bytes that its decoder allocates, the decoded image included."""

    @property
    def pixels(self) -> int:
        """Return width times height."""
        return self.width * self.height


def read(content: Content) -> Header:
    """Return the header of a JPEG, PNG, BMP, TIFF or WebP.

    Raises:
        RequestError: it is none of them, or malformed (400).
    """
    start = bytes(content[:16])
    reader = next((reader for magic, reader in READERS.items() if re.match(magic, start, re.DOTALL)), None)
    if reader is None:
        raise RequestError(400, NO_IMAGE)
    try:
        found = reader(content)
    except (struct.error, IndexError):  # it ends within a field
        raise RequestError(400, NO_IMAGE) from None
    if found.width < 1 or found.height < 1:
        raise RequestError(400, NO_IMAGE)
    return found


def essential_png(content: bytearray) -> memoryview:
    """Reduce a PNG in place to the chunks that decide its pixels; return them.

    A decoder allocates by the lengths that chunks claim, so each must lie within the content.

    Raises:
        RequestError: a chunk is longer than the content, IHDR is not the first and only one, or IEND is missing.
    """
    view, at, kept, last = memoryview(content), len(PNG), len(PNG), b""
    for _ in range(MAX_PARTS):
        if last == b"IEND" or at + 12 > len(content):
            break
        length, last = int.from_bytes(view[at : at + 4], "big"), bytes(view[at + 4 : at + 8])
        end = at + 12 + length
        if end > len(content) or (last == b"IHDR") != (at == len(PNG)):
            raise RequestError(400, NO_IMAGE)
        if last in KEPT_CHUNKS:
            if kept != at:
                view[kept : kept + end - at] = view[at:end]
            kept += end - at
        at = end
    if last != b"IEND":
        raise RequestError(400, NO_IMAGE)
    return view[:kept]


def _png(content: Content) -> Header:
    length, name, width, height = struct.unpack_from(">I4sII", content, len(PNG))
    if (length, name) != (13, b"IHDR"):
        raise RequestError(400, NO_IMAGE)
    return Header("PNG", width, height, width * height * TURNED)


def _bmp(content: Content) -> Header:
    size = struct.unpack_from("<I", content, 14)[0]
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", content, 18)
    return Header("BMP", width, abs(height), width * abs(height) * TURNED)


def _webp(content: Content) -> Header:
    kind = bytes(content[12:16])
    if kind == b"VP8 ":
        width, height = (edge & 0x3FFF for edge in struct.unpack_from("<HH", content, 26))
        return Header("WEBP", width, height, width * height * TURNED)
    if kind == b"VP8L":
        packed = struct.unpack_from("<I", content, 21)[0]
        width, height, cost = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, LOSSLESS_WEBP
    elif kind == b"VP8X":
        flags, edges = content[20], struct.unpack_from("<HBHB", content, 24)
        width, height = edges[0] + (edges[1] << 16) + 1, edges[2] + (edges[3] << 16) + 1
        cost = ANIMATED_WEBP if flags & 2 else LOSSLESS_WEBP
    else:
        raise RequestError(400, NO_IMAGE)
    return Header("WEBP", width, height, width * height * cost)


def _jpeg(content: Content) -> Header:
    segments = list(islice(_segments(content), MAX_PARTS))
    frames = [(at, marker in PROGRESSIVE) for marker, at in segments if marker in FRAMES]
    scans = [at for marker, at in segments if marker == SCAN]
    if len(scans) > MAX_SCANS:
        raise RequestError(400, f"a JPEG must have at most {MAX_SCANS} scans; save it as baseline JPEG")
    if len(frames) != 1 or not scans or len(segments) == MAX_PARTS:
        raise RequestError(400, NO_IMAGE)
    frame, progressive = frames[0]
    return _framed(content, frame, buffered=progressive or content[scans[0] + 2] < content[frame + 7])


def _segments(content: Content) -> Iterator[tuple[int, int]]:
    """Yield marker and offset of the segments of a JPEG, as its decoder finds them."""
    at = 2
    while (found := MARKER.search(content, at)) and (marker := content[found.start() + 1]) != END:
        at = found.end()
        if marker not in (ALONE, SOI):  # markers without a length
            yield marker, at
            at += int(struct.unpack_from(">H", content, at)[0])


def _framed(content: Content, frame: int, *, buffered: bool) -> Header:
    """Return the header of a JPEG; with several scans its decoder keeps all coefficients, two bytes each."""
    height, width, count = struct.unpack_from(">HHB", content, frame + 3)
    factors = [divmod(content[frame + COUNT_OF_FRAME + 3 * number], 16) for number in range(min(count, 4))]
    if not factors or not all(1 <= factor <= 4 for pair in factors for factor in pair):
        raise RequestError(400, NO_IMAGE)
    wide, high = max(pair[0] for pair in factors), max(pair[1] for pair in factors)
    blocks = math.ceil(width / (8 * wide)) * math.ceil(height / (8 * high))
    kept = 128 * blocks * sum(across * down for across, down in factors) if buffered else 0
    return Header("JPEG", width, height, max(kept + width * height * BYTES, width * height * TURNED))


def _tiff(content: Content) -> Header:
    page = tiff_header.read(content)
    memory = page.stored + 2 * page.part + page.width * page.height * BYTES
    return Header("TIFF", page.width, page.height, memory)


READERS: Final[Mapping[bytes, Callable[[Content], Header]]] = {
    rb"\xff\xd8\xff": _jpeg,
    re.escape(PNG): _png,
    rb"BM": _bmp,
    rb"RIFF....WEBP": _webp,
    rb"II[*+]\0|MM\0[*+]": _tiff,
}
"""Readers by a pattern of the first bytes."""
