"""Images of strangers: what would take memory or time is refused before it is decoded, each with one clear code."""

import io
import random
import resource
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from automl.apps.serve import images
from automl.apps.serve.refusal import RequestError


def encoded(kind: str, **how: Any) -> bytes:
    into = io.BytesIO()
    Image.new("RGB", (40, 30), (10, 200, 90)).save(into, kind, **how)
    return into.getvalue()


def chunk(name: bytes, content: bytes, length: int | None = None) -> bytes:
    size = len(content) if length is None else length
    return struct.pack(">I", size) + name + content + struct.pack(">I", zlib.crc32(name + content))


HEAD = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
BAD = {
    "a chunk that claims 4 GB": HEAD + chunk(b"IDAT", b"", 0xFFFFFFF0) + b"\0" * 12,
    "a second head": HEAD + HEAD[8:] + chunk(b"IEND", b""),
    "no end": HEAD,
    "a short head": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0"),
    "a PPM": b"P6\n2",
    "a GIF": b"GIF89a" + bytes(30),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_a_malformed_image_is_refused_without_memory(content: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RequestError, match="the body must be an image") as caught:
        images.decode(content)
    assert caught.value.code == 400
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


def test_a_jpeg_of_many_scans_is_refused() -> None:
    content = encoded("JPEG", progressive=True)
    assert images.decode(content).shape == (30, 40, 3)
    scan = content[content.rindex(b"\xff\xda") : -2]
    with pytest.raises(RequestError, match="must have at most 32 scans"):
        images.decode(content[:-2] + scan * 40 + content[-2:])


def test_an_animated_png_is_its_first_frame() -> None:
    into = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), shade) for shade in ("red", "blue")]
    frames[0].save(into, "PNG", save_all=True, append_images=frames[1:])
    assert images.decode(into.getvalue())[0, 0].tolist() == [0, 0, 255]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_a_changed_file_is_an_image_or_refused(kind: str) -> None:
    whole, chance = encoded(kind), random.Random(7)
    for _ in range(200):
        content = bytearray(whole[: chance.randrange(1, len(whole) + 1)])
        for _ in range(chance.randrange(4)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        assert answer(bytes(content)) in {200, 400, 413}


def test_an_image_larger_than_asked_is_told_before_it_is_decoded() -> None:
    assert images.decode(encoded("PNG"), most=7200).shape == (30, 40, 3)
    with pytest.raises(images.LargeImageError, match=r"^7200$"):
        images.decode(encoded("PNG"), most=7199)


def test_an_image_of_more_pixels_or_memory_than_the_limit_is_refused() -> None:
    assert images.decode(encoded("PNG"), images.Limits(1200)).shape == (30, 40, 3)
    with pytest.raises(RequestError, match="at most 1199 pixels, but has 40 x 30; send a smaller one") as caught:
        images.decode(encoded("PNG"), images.Limits(1199))
    assert caught.value.code == 413
    with pytest.raises(RequestError, match="at most 7200 bytes, but this JPEG takes 11280; send a smaller one or"):
        images.decode(encoded("JPEG", progressive=True, subsampling=0), images.Limits(1200))


def test_further_pages_of_a_tiff_are_not_read() -> None:
    """The directory of the second page claims 4 GB of tags."""
    content = encoded("TIFF")
    start = int.from_bytes(content[4:8], "little")
    at = start + 2 + 12 * int.from_bytes(content[start : start + 2], "little")
    second = struct.pack("<H", 400) + b"".join(struct.pack("<HHII", 60_000 + n, 1, 10_000_000, 8) for n in range(400))
    both = content[:at] + struct.pack("<I", len(content)) + content[at + 4 :] + second + bytes(10_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert images.decode(both).shape == (30, 40, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB


def answer(content: bytes) -> int:
    try:
        images.decode(content)
    except RequestError as error:
        return error.code
    return 200
