"""Decoding of untrusted images: size, kind and structure are checked before memory or time is spent.

The pixels are those that training reads: BGR, turned by EXIF, first page or frame, high byte of 16 bits.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from automl.apps.serve import headers, tiff_header
from automl.apps.serve.headers import Header
from automl.apps.serve.refusal import NO_IMAGE, RequestError

MAX_PIXELS: Final = 12_500_000
"""Maximum number of pixels: telephones make images of 4,032 x 3,024; a detector reduces all to about 640 x 640."""
MEMORY_OF_PIXEL: Final = 6
"""Bytes of memory that decoding may take, per pixel of the limit. Baseline JPEG, PNG, BMP and lossy WebP take at most
that. Lossless WebP takes 7, a progressive JPEG without chroma subsampling 9, a colour TIFF in one strip 12: these must
have fewer pixels, so that the peak of memory is below twice that of an idle server (benchmarks/attacks)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an image may have."""

    pixels: int = MAX_PIXELS

    @property
    def memory(self) -> int:
        """Return the most bytes that decoding may take."""
        return self.pixels * MEMORY_OF_PIXEL


class LargeImageError(Exception):
    """An image that may be decoded, but takes more memory than the caller's limit."""

    def __init__(self, memory: int) -> None:
        super().__init__(memory)
        self.memory = memory


def decode(content: bytes | bytearray, limits: Limits | None = None, *, most: int | None = None) -> NDArray[Any]:
    """Return the pixels of an encoded image, height x width x 3, BGR; may change a bytearray in place.

    Raises:
        LargeImageError: decoding takes more than `most` bytes.
        RequestError: it is no supported image (400), or larger than the limits (413).
    """
    limits = limits or Limits()
    header = headers.read(content)
    _refuse_size(header, limits)
    if most is not None and header.memory > most:
        raise LargeImageError(header.memory)
    try:
        picture = _decoded(content, header.kind)
    except (cv2.error, MemoryError):
        picture = None
    if picture is None or picture.ndim != 3 or picture.shape[2] != 3:
        raise RequestError(400, NO_IMAGE)
    if picture.shape[0] * picture.shape[1] > limits.pixels:  # its decoder read another size than the header's reader
        raise RequestError(413, _too_many(limits))
    return picture


def _refuse_size(header: Header, limits: Limits) -> None:
    if header.pixels > limits.pixels:
        raise RequestError(413, f"{_too_many(limits)}, but has {header.width} x {header.height}; send a smaller one")
    if header.memory > limits.memory:
        law = f"decoding an image must take at most {limits.memory} bytes, but this {header.kind} takes {header.memory}"
        raise RequestError(413, f"{law}; send a smaller one or a baseline JPEG")


def _too_many(limits: Limits) -> str:
    return f"an image must have at most {limits.pixels} pixels"


def _decoded(content: bytes | bytearray, kind: str) -> NDArray[Any] | None:
    if kind == "TIFF":
        return _tiff(content)
    if kind == "PNG":
        data = np.frombuffer(headers.essential_png(_changeable(content)), np.uint8)
    else:
        data = np.frombuffer(content, np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def _tiff(content: bytes | bytearray) -> NDArray[Any] | None:
    """Return the first page; a colour TIFF as training reads it: without alpha, not turned."""
    content = _changeable(content)
    tiff_header.cut_after_first(content)
    data = np.frombuffer(content, np.uint8)
    found, pages = cv2.imdecodemulti(data, cv2.IMREAD_UNCHANGED, range=(0, 1))
    if not found or pages[0].ndim != 3 or pages[0].dtype not in (np.uint8, np.uint16):
        return cv2.imdecode(data, cv2.IMREAD_COLOR)
    page = np.asarray(pages[0][..., :3])
    return np.right_shift(page, 8).astype(np.uint8) if page.dtype == np.uint16 else np.ascontiguousarray(page)


def _changeable(content: bytes | bytearray) -> bytearray:
    return content if isinstance(content, bytearray) else bytearray(content)
