"""Headers of images: size as an image library reads it, memory by the layout, and refusals before any decoder runs."""

import io
import struct
from typing import Any

import pytest
from PIL import Image

from automl.apps.serve import headers
from automl.apps.serve.refusal import RequestError

SIZE = (70, 45)


def saved(kind: str, mode: str = "RGB", **how: Any) -> bytes:
    into = io.BytesIO()
    Image.effect_noise(SIZE, 60).convert(mode).save(into, kind, **how)
    return into.getvalue()


CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{f"JPEG {mode}": ("JPEG", mode, {}) for mode in ("L", "RGB", "CMYK")},
    "JPEG progressive": ("JPEG", "RGB", {"progressive": True}),
    **{f"PNG {mode}": ("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")},
    **{f"BMP {mode}": ("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")},
    **{f"TIFF {mode}": ("TIFF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "F")},
    "TIFF big": ("TIFF", "RGB", {"big_tiff": True}),
    "TIFF deflate": ("TIFF", "RGB", {"compression": "tiff_deflate"}),
    **{f"WebP {mode}": ("WEBP", mode, {}) for mode in ("RGB", "RGBA")},
    "WebP lossless": ("WEBP", "RGB", {"lossless": True}),
    "WebP animated": ("WEBP", "RGB", {"save_all": True, "append_images": [Image.new("RGB", SIZE, "red")]}),
    "WebP with EXIF": ("WEBP", "RGB", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}),
}


@pytest.mark.parametrize(("kind", "mode", "how"), CASES.values(), ids=CASES.keys())
def test_kind_and_size_are_those_that_pillow_reads(kind: str, mode: str, how: dict[str, Any]) -> None:
    found = headers.read(saved(kind, mode, **how))
    assert (found.kind, found.width, found.height) == (kind, *SIZE)
    assert 3 * found.pixels <= found.memory <= 30 * found.pixels


@pytest.mark.parametrize("content", [saved(kind, mode, **how) for kind, mode, how in CASES.values()], ids=CASES.keys())
def test_a_header_that_is_cut_is_refused(content: bytes) -> None:
    for length in (0, 1, 3, 9, 15, 17, 20):
        with pytest.raises(RequestError, match="the body must be an image") as caught:
            headers.read(content[:length])
        assert caught.value.code == 400


@pytest.mark.parametrize("content", [b"GIF89a", b"P6 1 1 255 abc", b"\0\0\0\x20ftypavif", b"8BPS", b"<svg/>", b"RIFF"])
def test_other_kinds_are_refused(content: bytes) -> None:
    with pytest.raises(RequestError, match=r"JPEG, PNG, BMP, TIFF or WebP\)$"):
        headers.read(content + bytes(64))


def test_a_progressive_jpeg_counts_by_its_coefficients() -> None:
    plain, progressive = (headers.read(saved("JPEG", progressive=how, subsampling=0)) for how in (False, True))
    assert plain.memory == plain.pixels * 6
    assert progressive.memory == 9 * 6 * 64 * 2 * 3 + progressive.pixels * 3


def test_scans_hidden_behind_a_marker_without_length_are_counted() -> None:
    content = saved("JPEG")
    scan = content[content.index(b"\xff\xda") : -2]
    with pytest.raises(RequestError, match="at most 32 scans"):
        headers.read(content[:-2] + b"\xff\x01" + scan * 40)


@pytest.mark.parametrize("frame", [b"\xff\xc0\0\x11\x08\0\x2d\0\x46\x03", b"\xff\xc0\0\x11\x08\0\x2d\0\x46\0"])
def test_a_second_or_empty_frame_is_refused(frame: bytes) -> None:
    content = saved("JPEG")
    with pytest.raises(RequestError, match="the body must be an image"):
        headers.read(content[:2] + frame + bytes(9) + content[2:])


def test_a_png_keeps_the_chunks_that_decide_its_pixels() -> None:
    content = saved("PNG", dpi=(72, 72))
    kept = bytes(headers.essential_png(bytearray(content)))
    assert b"pHYs" in content
    assert b"pHYs" not in kept
    assert Image.open(io.BytesIO(kept)).tobytes() == Image.open(io.BytesIO(content)).tobytes()


def test_a_png_of_too_many_chunks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "MAX_PARTS", 100)
    content = saved("PNG")
    empty = struct.pack(">I", 0) + b"tEXt" + bytes(4)
    assert len(headers.essential_png(bytearray(content[:33] + empty * 50 + content[33:]))) == len(content)
    with pytest.raises(RequestError, match="the body must be an image"):
        headers.essential_png(bytearray(content[:33] + empty * 100 + content[33:]))


def test_a_jpeg_of_too_many_segments_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "MAX_PARTS", 100)
    content = saved("JPEG")
    assert headers.read(content[:2] + b"\xff\xfe\0\2" * 50 + content[2:]).width == SIZE[0]
    with pytest.raises(RequestError, match="the body must be an image"):
        headers.read(content[:2] + b"\xff\xfe\0\2" * 100 + content[2:])
