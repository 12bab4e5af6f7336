"""Hostile images: 48 kinds of image files, seeded mutations of them, and small files that claim much memory or time."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image

SIZE: Final = (72, 56)
LARGE: Final = (4032, 3024)
"""An image of a telephone: 12,192,768 pixels, within the limit of the server."""
EXTREMES: Final = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


def _scene(mode: str, size: tuple[int, int] = SIZE) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(np.asarray(picture.convert("L"), np.uint16) * 257)
    return picture.convert(mode)


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = SIZE, **how: Any) -> bytes:  # noqa: ANN401
    """Return an image file that Pillow writes."""
    into = io.BytesIO()
    if how.pop("frames", False):
        how |= {"save_all": True, "append_images": [_scene(mode, size).transpose(Image.Transpose.ROTATE_180)]}
    _scene(mode, size).save(into, kind, **how)
    return into.getvalue()


def _deep(suffix: str) -> bytes:
    return cv2.imencode(suffix, np.asarray(_scene("RGB"), np.uint16) * 257)[1].tobytes()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def kinds() -> dict[str, bytes]:
    """Return one image file of each of 48 kinds; the last 6 are kinds that the server refuses."""
    found = {
        **{f"JPEG {mode}": saved("JPEG", mode) for mode in ("L", "RGB", "CMYK")},
        "JPEG 4:4:4": saved("JPEG", subsampling=0),
        "JPEG progressive": saved("JPEG", progressive=True),
        "JPEG turned": saved("JPEG", exif=_turned()),
        "JPEG of restarts": saved("JPEG", restart_marker_blocks=2),
        "JPEG of two pictures": saved("MPO", frames=True),
        **{f"PNG {mode}": saved("PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
        "PNG deep": _deep(".png"),
        "PNG transparent": saved("PNG", "P", transparency=3),
        "PNG turned": saved("PNG", exif=_turned()),
        "PNG animated": saved("PNG", frames=True),
        **{f"BMP {mode}": saved("BMP", mode) for mode in ("1", "L", "P", "RGB", "RGBA")},
        **{f"TIFF {mode}": saved("TIFF", mode) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F")},
        **{f"TIFF {way}": saved("TIFF", compression=way) for way in ("tiff_lzw", "tiff_deflate", "jpeg")},
        "TIFF fax": saved("TIFF", "1", compression="group4"),
        "TIFF big": saved("TIFF", big_tiff=True),
        "TIFF turned": saved("TIFF", exif=_turned()),
        **{f"WEBP {mode}": saved("WEBP", mode) for mode in ("RGB", "RGBA")},
        "WEBP lossless": saved("WEBP", lossless=True),
        "WEBP animated": saved("WEBP", frames=True),
        **{kind: saved(kind) for kind in ("GIF", "PPM", "JPEG2000", "DDS", "TGA", "AVIF")},
    }
    if len(found) != 48:
        raise SystemExit(f"there must be 48 kinds, but are {len(found)}")
    return found


def mutated(content: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """Return a damaged copy: one to three mutations."""
    found = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        chance.choice(MUTATIONS)(found, chance, others)
    return bytes(found)


def _flip(content: bytearray, chance: random.Random, _others: list[bytes]) -> None:
    for _ in range(chance.randint(1, 16) if content else 0):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _cut(content: bytearray, chance: random.Random, _others: list[bytes]) -> None:
    del content[chance.randrange(len(content) + 1) :]


def _overwrite(content: bytearray, chance: random.Random, _others: list[bytes], *, within: int | None = None) -> None:
    """Put an extreme number where a length, a size or an offset may be."""
    if len(content) > 8:
        at = chance.randrange(min(within or len(content), len(content)) - 4)
        layout = chance.choice(("<I", ">I", "<H", ">H"))
        struct.pack_into(layout, content, at, chance.choice(EXTREMES) & (0xFFFF if layout[1] == "H" else 0xFFFFFFFF))


def _head(content: bytearray, chance: random.Random, others: list[bytes]) -> None:
    _overwrite(content, chance, others, within=64)


def _repeat(content: bytearray, chance: random.Random, _others: list[bytes]) -> None:
    at = chance.randrange(len(content) + 1)
    content[at:at] = content[at : at + chance.randint(1, 300)] * chance.randint(1, 4)


def _insert(content: bytearray, chance: random.Random, _others: list[bytes]) -> None:
    at = chance.randrange(len(content) + 1)
    content[at:at] = chance.randbytes(chance.randint(1, 40))


def _graft(content: bytearray, chance: random.Random, others: list[bytes]) -> None:
    other = chance.choice(others)
    content[chance.randrange(len(content) + 1) :] = other[chance.randrange(len(other)) :]


MUTATIONS: Final[tuple[Callable[[bytearray, random.Random, list[bytes]], None], ...]] = (
    _flip, _flip, _cut, _overwrite, _head, _repeat, _insert, _graft,
)  # fmt: skip


def _chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return struct.pack(">I", size) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _png(width: int, height: int, *chunks: bytes) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + _chunk(b"IEND", b"")


def _zeros(width: int, height: int, *, rows: int | None = None) -> bytes:
    """Return a black PNG, of which only some rows are there."""
    return _png(width, height, _chunk(b"IDAT", zlib.compress(bytes((3 * width + 1) * (rows or height)), 9)))


def _scans(count: int, size: tuple[int, int]) -> bytes:
    content = saved("JPEG", size=size, progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + scan * count + content[-2:]


def _tiff(*more: tuple[int, int, int, int], length: int = 0) -> bytes:
    plain = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags = sorted({entry[0]: entry for entry in [*plain, (273, 4, 1, 8), (279, 4, 1, 4096), *more]}.values())
    body = b"".join(struct.pack("<HHII", *entry) for entry in tags)
    content = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4)
    return content + bytes(max(0, length - len(content)))


def bombs() -> Mapping[str, bytes]:
    """Return files that claim more memory or time than they are worth, most of them small."""
    end = bytes(12)
    frames = b"".join(_chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, 9, 9, 0, 0, 1, 9, 0, 0)) for n in range(150))
    return {
        "PNG chunk of 4 GB": _png(4, 4, _chunk(b"IDAT", b"", 0xFFFFFFF0))[:-12],
        "PNG chunk of 2 GB": _png(4, 4, _chunk(b"IDAT", b"", 0x7FFFFFFF) + end)[:-12],
        "PNG frame of 2 GB": _png(4, 4, _chunk(b"acTL", bytes(8)) + frames + _chunk(b"fdAT", b"", 0x7FFFFFF0)),
        "PNG text": _png(4, 4, *[_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000), 9))] * 60),
        "PNG chunks": _png(4, 4, _chunk(b"tEXt", b"") * 1_000_000),
        "PNG 64 MP": _zeros(8000, 8000, rows=100),
        "PNG 12 MP": _zeros(*LARGE),
        "PNG two heads": _png(4, 4, _zeros(*LARGE)[8:]),
        "JPEG scans": _scans(120, (2000, 1500)),
        "JPEG 12 MP scans": _scans(20, LARGE),
        "JPEG 12 MP": saved("JPEG", size=LARGE, exif=_turned()),
        "JPEG 12 MP 4:4:4": saved("JPEG", size=LARGE, progressive=True, subsampling=0),
        "JPEG markers": b"\xff\xd8\xff" + b"\xe0\0\2\xff" * 5_000_000,
        "WEBP 12 MP": saved("WEBP", size=LARGE, lossless=True, quality=0, method=0),
        "WEBP 200 MP": b"RIFF\x32\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0" + b"\xff\x3f\0" * 2 + bytes(40),
        "TIFF tile": _tiff((322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 8), (325, 4, 1, 4096)),
        "TIFF rows": _tiff((256, 4, 1, 1), (257, 4, 1, 12_000_000), (278, 4, 1, 1)),
        "TIFF channels": _tiff((256, 4, 1, 3000), (257, 4, 1, 3000), (277, 3, 1, 60_000)),
        "TIFF tags": _tiff(*[(40_000 + number, 1, 3_000_000, 8) for number in range(400)], length=3_100_000),
        "BMP 200 MP": b"BM" + struct.pack("<IIIIiiHHIIiiII", 60, 0, 54, 40, 20_000, -10_000, 1, 24, 0, 0, 0, 0, 0, 0),
        "BMP 12 MP": saved("BMP", "P", size=LARGE),
    }
