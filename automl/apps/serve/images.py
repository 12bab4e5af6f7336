"""Decoding of untrusted images: size, kind and structure are checked before memory or time is spent.

The pixels are those that training reads: BGR, turned by EXIF, first page or frame, high byte of 16 bits.
"""

import io
import math
import re
import struct
import warnings
import zlib
from collections.abc import Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl.apps.serve.refusal import RequestError

MAX_PIXELS: Final = 64_000_000
"""Maximum number of pixels: 192 MB decoded; telephones make images of 48,000,000."""
SMALL_PIXELS: Final = 8_000_000
"""Images of more are decoded one at a time (`service`), so that memory is bounded by one large image."""
MAX_SCANS: Final = 32
"""Maximum scans of a JPEG: each decodes the whole image again; progressive files of common encoders have 10."""
KINDS: Final = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
NO_IMAGE: Final = "the body must be an image (JPEG, PNG, BMP, TIFF or WebP)"
MALFORMED: Final = (
    OSError, ValueError, RuntimeError, ArithmeticError, LookupError, TypeError, SyntaxError, EOFError, struct.error,
    ImportError, AttributeError, zlib.error, MemoryError,
)  # fmt: skip
"""Exceptions of Pillow for malformed headers."""
KEPT_CHUNKS: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND"})
"""The chunks of a PNG that decide its pixels; animation, colour profile and texts are dropped unread."""
MARKER: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
TILE: Final = (322, 323)
"""TIFF tags of a tile's width and length: memory is taken by tile, not by image."""
BITS: Final = 258
CHANNELS: Final = 277
BYTES: Final = 3
"""Bytes of a decoded pixel; a TIFF is decoded as it is stored, and counts by its bytes where it has more."""


class LargeImageError(Exception):
    """An image that may be decoded, but has more pixels than the caller's limit."""


def decode(content: bytes, *, most: int = MAX_PIXELS) -> NDArray[Any]:
    """Return the pixels of an encoded image, height x width x 3, BGR.

    Raises:
        LargeImageError: it has more than `most` pixels.
        RequestError: it is no supported image (400), or has more than MAX_PIXELS (413).
    """
    kind, pixels = _looked_at(content)
    if pixels > most:
        raise LargeImageError
    if kind == "JPEG":
        _refuse_scans(content)
    data = np.frombuffer(_essential_png(content) if kind == "PNG" else content, np.uint8)
    try:
        picture = _tiff(data) if kind == "TIFF" else None
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if picture is None else picture
    except (cv2.error, MemoryError):
        picture = None
    if picture is None or picture.ndim != 3 or picture.shape[2] != 3:
        raise RequestError(400, NO_IMAGE)
    if picture.shape[0] * picture.shape[1] > MAX_PIXELS:
        raise _too_large()
    return np.asarray(picture)


def _looked_at(content: bytes) -> tuple[str, int]:
    """Return the kind and the pixels of an image from its header, before memory is allocated for them."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content), formats=KINDS) as head:
            width, height = head.size
            tags = head.tag_v2 if head.format == "TIFF" else {}  # type: ignore[attr-defined]
            pixels, kind = _stored_pixels(width * height, tags), str(head.format)
    except Image.DecompressionBombError:
        raise _too_large() from None
    except MALFORMED:
        raise RequestError(400, NO_IMAGE) from None
    if pixels > MAX_PIXELS:
        raise _too_large()
    return "JPEG" if kind == "MPO" else kind, pixels


def _stored_pixels(pixels: int, tags: Mapping[int, Any]) -> int:
    """Return the pixels of an image or, where a TIFF stores more, of BYTES bytes each, as its decoder allocates."""
    tile = int(tags.get(TILE[0], 1)) * int(tags.get(TILE[1], 1))
    bits = max(np.atleast_1d(tags.get(BITS, 8)).tolist())
    stored = int(tags.get(CHANNELS, 1)) * math.ceil(int(bits) / 8)
    return max(pixels, tile) * max(stored, BYTES) // BYTES


def _too_large() -> RequestError:
    return RequestError(413, f"an image must have at most {MAX_PIXELS} pixels, of at most {BYTES} bytes in a TIFF")


def _essential_png(content: bytes) -> bytes:
    """Return a PNG reduced to the chunks that decide its pixels; a decoder allocates memory by claimed lengths."""
    parts, at, last = [content[:8]], 8, b""
    while last != b"IEND" and at + 12 <= len(content):
        length, last = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if at + 12 + length > len(content) or (last == b"IHDR") != (at == 8):
            raise RequestError(400, NO_IMAGE)
        if last in KEPT_CHUNKS:
            parts.append(content[at : at + 12 + length])
        at += 12 + length
    if last != b"IEND":
        raise RequestError(400, NO_IMAGE)
    return b"".join(parts)


def _refuse_scans(content: bytes) -> None:
    """Reject a JPEG with too many scans."""
    at, scans = 2, 0
    while found := MARKER.search(content, at):
        marker, at = content[found.start() + 1], found.end()
        if marker == 0xD9:
            return
        scans += marker == 0xDA
        if scans > MAX_SCANS:
            raise RequestError(400, f"a JPEG must have at most {MAX_SCANS} scans; save it as baseline JPEG")
        at += int.from_bytes(content[at : at + 2], "big")


def _tiff(data: NDArray[np.uint8]) -> NDArray[Any] | None:
    """Return the first page of a colour TIFF as training reads it: without alpha, not turned; None for other TIFFs."""
    found, pages = cv2.imdecodemulti(data, cv2.IMREAD_UNCHANGED, range=(0, 1))
    if not found or pages[0].ndim != 3 or pages[0].dtype not in (np.uint8, np.uint16):
        return None
    page = np.asarray(pages[0][..., :3])
    return np.right_shift(page, 8).astype(np.uint8) if page.dtype == np.uint16 else np.ascontiguousarray(page)
