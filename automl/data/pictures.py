"""Content of image files: what Ultralytics excludes, 16-bit depth, digests, and thumbnails for duplicate detection.

The rules are those of `check_image` and `imread` in Ultralytics 8.4.190, which decide what a training uses.
"""

import hashlib
import importlib
import importlib.util
import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from automl.data import regular_files

FORMATS: Final = frozenset({
    "AVIF", "BMP", "DNG", "HEIC", "HEIF", "JP2", "JPEG", "JPEG2000", "JPG", "MPO", "PNG", "TIF", "TIFF", "WEBP",
})  # fmt: skip
MOST_BYTES: Final = 1024 * regular_files.MB
"""Maximum size of an image file."""
DIGEST: Final = 16
"""Bytes of a digest."""
SMALLEST: Final = 10
"""Minimum side of an image in pixels."""
THUMBNAIL: Final = 32
"""Side of a thumbnail in pixels."""
SHARPNESS_SIDE: Final = 64
"""Side of the picture whose sharpness is computed: images are decoded to at least this size, so none is decoded twice.
Blur of less than about a 64th of the image's side is not visible at it."""
JPEG_QUALITY: Final = 88
BY_PILLOW: Final = frozenset({".avif", ".heic", ".heif"})
"""Suffixes that Ultralytics decodes with Pillow; the others are decoded with OpenCV."""
INSTALL: Final = (
    "is a HEIC image, which needs the package pi-heif; install it on every machine: pip install 'yolo-automl-ray[heic]'"
)
RENAME: Final = "is a HEIC image under another suffix, which Ultralytics cannot decode; rename it to .heic"
BITS_PER_SAMPLE: Final = 258
"""The tag of a TIFF file."""
BROKEN: Final = (
    OSError, SyntaxError, ValueError, ImportError, EOFError, TypeError, AttributeError, LookupError, ArithmeticError,
    RuntimeError, struct.error, Image.DecompressionBombError,
)  # fmt: skip
"""Exceptions of Pillow for an unreadable file."""

DECODERS: Final = f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}"
"""Programs that decide what can be read."""

Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """Findings from the content of an image file."""

    problem: str = ""
    """Why a training excludes the file, empty when it does not."""
    digest: bytes = b""
    """Of the file's bytes; empty where it cannot be read."""
    levels: int = 256
    """Grey levels that remain after reading a file of 16 bits a sample; 256 for other files."""
    thumbnail: bytes = b""
    """THUMBNAIL x THUMBNAIL grey values."""
    passing: bool = False
    """True if the problem is one of this machine, such as a missing package."""
    width: int = 0
    """Pixels of the image, upright; 0 where it is not decoded."""
    height: int = 0
    brightness: float = 0.0
    """Mean grey level, 0 to 255."""
    sharpness: float = 0.0
    """Variance of the Laplacian of the grey picture of SHARPNESS_SIDE x SHARPNESS_SIDE."""


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the vendors' warnings about single files: the caller reports the problems."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.setLogLevel(before)


def look(path: Path) -> Picture:
    """Read an image file, verify it as Ultralytics does, and decode it."""
    content = content_of(path)
    return content if isinstance(content, Picture) else verified(path, content)


def content_of(path: Path) -> bytes | Picture:
    """Return the bytes of an image file, or the finding where it cannot be read."""
    try:
        content = regular_files.read(path, most=MOST_BYTES)
    except FileNotFoundError:
        return Picture("does not exist")
    except (OSError, ValueError) as error:
        return Picture(f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return content or Picture("is empty", digest_of(b""))


def digest_of(content: bytes) -> bytes:
    """Return the digest of a file's bytes."""
    return hashlib.blake2b(content, digest_size=DIGEST).digest()


def verified(path: Path, content: bytes) -> Picture:
    """Verify the bytes of an image file as Ultralytics does, and decode them."""
    return replace(_verified(path, content), digest=digest_of(content))


def _verified(path: Path, content: bytes) -> Picture:
    if _is_heic(content) and path.suffix.lower() not in BY_PILLOW:
        return Picture(RENAME)
    try:
        with _opened(content) as image:
            deep = _deep(image, content)
            image.verify()
            if problem := _header_problem(image):
                return Picture(problem)
        if image.format in {"JPEG", "JPG"} and content[-2:] != b"\xff\xd9":
            with _opened(content) as again:  # Ultralytics repairs one that has bytes after its end, not a cut one
                again.load()
    except BROKEN as error:
        # Where Ultralytics is imported, its own `Image.open` raises ImportError for any unknown content.
        return Picture(_reason(content, error), passing=isinstance(error, ImportError) and _is_heic(content))
    gray = _decoded(path, content, shrink=_shrink(*image.size))
    if gray is None:
        return Picture("cannot be decoded")
    small = cv2.resize(gray, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    levels = len(np.unique(gray)) if deep else 256
    width, height = _upright(image.size, gray)
    return Picture(
        "",
        levels=levels,
        thumbnail=small.astype(np.uint8).tobytes(),
        width=width,
        height=height,
        brightness=float(gray.mean()),
        sharpness=_sharpness(gray),
    )


def _upright(size: tuple[int, int], gray: Gray) -> tuple[int, int]:
    """Return width and height of an image as it is decoded: the header's are those before its EXIF rotation."""
    width, height = size
    turned = (width - height) * (gray.shape[1] - gray.shape[0]) < 0
    return (height, width) if turned else (width, height)


def _sharpness(gray: Gray) -> float:
    even = cv2.resize(gray, (SHARPNESS_SIDE, SHARPNESS_SIDE), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(even, cv2.CV_64F).var())


def _opened(content: bytes) -> ImageFile.ImageFile:
    """Open an image from memory; HEIC files need the package pi-heif, as they do in Ultralytics."""
    if _is_heic(content):
        if importlib.util.find_spec("pi_heif") is None:
            raise ImportError(INSTALL)
        importlib.import_module("pi_heif").register_heif_opener()
    return Image.open(io.BytesIO(content))


def _is_heic(content: bytes) -> bool:
    return content[4:8] == b"ftyp" and content[8:11] in {b"hei", b"hev", b"mif", b"msf"}


def _header_problem(image: Image.Image) -> str:
    width, height = image.size
    if min(width, height) < SMALLEST:
        return f"is {width} x {height} pixels, but each side must have at least {SMALLEST}"
    if str(image.format).upper() not in FORMATS:
        return f"is a {image.format} file, which Ultralytics does not accept, whatever its suffix"
    return ""


def _deep(image: Image.Image, content: bytes) -> bool:
    """Return True if an image has more than 8 bits a sample."""
    if image.format == "PNG":
        return content[24] == 16
    tags: Any = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    bits = tags.get(BITS_PER_SAMPLE, 8)
    return image.mode.startswith(("I", "F")) or max(bits if isinstance(bits, tuple) else (bits,)) > 8


def _reason(content: bytes, error: Exception) -> str:
    """Return why a file is not an image, naming its content where that is known."""
    head = content[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "is an HTML page, probably from a failed download"
    if content.startswith(b"version https://git-lfs"):
        return "is a pointer of Git LFS; fetch the file with `git lfs pull`"
    if isinstance(error, Image.DecompressionBombError):
        return "has more pixels than Pillow accepts"
    if isinstance(error, ImportError) and "HEIC" in str(error):
        return str(error)
    if "truncated" in str(error) or content.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        return "is truncated or damaged"
    return "is not a readable image"


def _shrink(width: int, height: int) -> int:
    """Return the reduction factor that leaves an image at least twice the thumbnail's size."""
    return next((factor for factor in (8, 4, 2) if min(width, height) >= 2 * THUMBNAIL * factor), 1)


def _decoded(path: Path, content: bytes, *, shrink: int) -> Gray | None:
    """Decode an image upright and grey, with the decoder that Ultralytics uses for the suffix; None if it fails."""
    suffix = path.suffix.lower()
    if suffix in BY_PILLOW and (gray := _by_pillow(content)) is not None:
        return gray
    packed = np.frombuffer(content, np.uint8)
    flags = {1: cv2.IMREAD_GRAYSCALE, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
             8: cv2.IMREAD_REDUCED_GRAYSCALE_8}  # fmt: skip
    try:
        decoded = cv2.imdecode(packed, flags[shrink])
        if decoded is not None:
            return np.asarray(decoded, dtype=np.uint8)
        return _colour_tiff(packed) if suffix in {".tif", ".tiff"} else None
    except cv2.error:
        return None


def _by_pillow(content: bytes) -> Gray | None:
    try:
        with _opened(content) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("L"))
    except BROKEN:
        return None


def colour(path: Path, content: bytes) -> NDArray[np.uint8] | None:
    """Decode an image upright, blue, green, red, with the decoder and the depth of a training; None if it fails."""
    suffix, packed = path.suffix.lower(), np.frombuffer(content, np.uint8)
    try:
        if suffix in BY_PILLOW:
            with _opened(content) as image:
                return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(image).convert("RGB"))[..., ::-1])
        decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        if decoded is None and suffix in {".tif", ".tiff"}:
            _, frames = cv2.imdecodemulti(packed, cv2.IMREAD_UNCHANGED)
            decoded = frames[0][..., :3] if frames and frames[0].ndim == 3 else None
    except (cv2.error, *BROKEN):
        return None
    if decoded is None:
        return None
    return np.asarray(decoded // 256 if decoded.dtype == np.uint16 else decoded, dtype=np.uint8)


def jpeg_of(pixels: NDArray[np.uint8], *, longest: int) -> bytes:
    """Return a BGR picture as a JPEG file, made smaller where a side is longer than `longest` pixels."""
    height, width = pixels.shape[:2]
    scale = longest / max(width, height)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _colour_tiff(packed: NDArray[np.uint8]) -> Gray | None:
    """Decode a multi-channel TIFF, whose first three channels are used for training."""
    _, frames = cv2.imdecodemulti(packed, cv2.IMREAD_UNCHANGED)
    if not frames or frames[0].ndim != 3 or frames[0].dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        return None
    values = frames[0] // 256 if frames[0].dtype == np.uint16 else frames[0]
    return np.asarray(values[..., :3].mean(axis=2), dtype=np.uint8)
