"""First directory of a TIFF: no length in it is believed."""

import struct

import pytest

from automl.apps.serve import tiff_header
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.tiff_header import Page

PLAIN = {256: (4, 70), 257: (4, 45), 258: (3, 8), 277: (3, 3)}


def tiff(tags: dict[int, tuple[int, int]], *more: tuple[int, int, int, int], order: str = "<") -> bytes:
    """Return a directory of single values, then of further entries: tag, type, count, value."""
    entries = [(tag, kind, 1, value) for tag, (kind, value) in tags.items()] + list(more)
    body = b""
    for tag, kind, count, value in entries:
        short = kind == 3 and count == 1
        body += struct.pack(f"{order}HHI", tag, kind, count) + struct.pack(
            f"{order}{'HH' if short else 'I'}", value, *[0] * short
        )
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}H", len(entries)) + body + bytes(64)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("more", "page"),
    [
        ({}, Page(70, 45, 9450, 9450)),
        ({278: (3, 10)}, Page(70, 45, 9450, 2100)),
        ({277: (3, 4), 258: (3, 16)}, Page(70, 45, 25_200, 25_200)),
        ({322: (3, 64), 323: (3, 128)}, Page(70, 45, 9450, 24_576)),
        ({258: (3, 1), 277: (3, 1)}, Page(70, 45, 3150, 3150)),
    ],
)
def test_a_page_counts_by_its_layout(more: dict[int, tuple[int, int]], page: Page, order: str) -> None:
    assert tiff_header.read(tiff({**PLAIN, **more}, order=order)) == page


@pytest.mark.parametrize(
    "content",
    [
        tiff({256: (4, 70)}),
        tiff({**PLAIN, 257: (4, 0)}),
        tiff({**PLAIN, 258: (3, 0)}),
        tiff({**PLAIN, 277: (3, 65)}),
        tiff({**PLAIN, 256: (5, 8)}),
        tiff({**PLAIN, 322: (3, 64)}),
        tiff(PLAIN, (256, 4, 1, 9)),
        tiff(PLAIN, (258, 3, 0, 0)),
        tiff(PLAIN, (258, 3, 3, 10**6)),
        tiff(PLAIN, (700, 1, 4_000_000_000, 8)),
        tiff(PLAIN, *((60_000 + number, 1, 1000, 8) for number in range(20))),
        tiff({})[:8] + b"\xff\xff",
        tiff(PLAIN)[:30],
        b"II*\0\0\0\0\0" + bytes(20),
        b"II+\0\x08\0\0\0" + b"\xff" * 40,
    ],
)
def test_a_malformed_directory_is_refused(content: bytes) -> None:
    with pytest.raises(RequestError, match="the body must be an image"):
        tiff_header.read(content)


def test_a_page_of_too_many_strips_is_refused() -> None:
    with pytest.raises(RequestError, match="at most 65536 strips or tiles; save it with fewer"):
        tiff_header.read(tiff({256: (4, 1), 257: (4, 70_000), 278: (3, 1)}))


def test_further_directories_are_unlinked() -> None:
    content = bytearray(tiff(PLAIN))
    end = 10 + 12 * len(PLAIN)
    content[end : end + 4] = struct.pack("<I", 8)
    tiff_header.cut_after_first(content)
    assert bytes(content) == tiff(PLAIN)
