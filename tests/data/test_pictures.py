"""Files that Ultralytics would leave out, or read otherwise than their owner thinks, are known before a training."""

from pathlib import Path

import numpy as np
import pytest

from automl.data.pictures import look
from tests.builders import written
from tests.pictures import encoded, noise


def made(root: Path, name: str, content: bytes) -> Path:
    path = root / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.jpg", b"<!DOCTYPE html><html></html>", "is an HTML page"),
        ("a.jpg", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("a.jpg", encoded(noise(0), "GIF"), "is a GIF file"),
        ("a.jpg", encoded(noise(0, side=64), "JPEG")[:-200], "is truncated or damaged"),
        ("a.png", encoded(noise(0, side=64))[:-200], "is truncated or damaged"),
        ("a.png", encoded(noise(0)[:8]), "is 24 x 8 pixels, but each side must have at least 10"),
        ("a.tif", encoded(np.ones((24, 24), np.float32), "TIFF"), "cannot be decoded"),
        ("a.bmp", b"BM rubbish", "is not a readable image"),
        ("a.heic", b"\x00\x00\x00\x18ftypheic", "is a HEIC image, which needs the package pi-heif"),
        ("a.jpg", b"\x00\x00\x00\x18ftypheic", "is a HEIC image under another suffix"),
        ("a.jpg", b"", "is empty"),
    ],
)
def test_a_file_that_is_left_out_is_told_by_what_it_is(
    tmp_path: Path, name: str, content: bytes, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert look(made(tmp_path, name, content)).problem.startswith(problem)


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    assert look(tmp_path / "none.jpg").problem == "does not exist"
    assert look(written(tmp_path / "folder", "a.jpg", "x").parent).problem.startswith("cannot be read")


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [("a.jpg", "JPEG", {}), ("a.avif", "AVIF", {}), ("a.jp2", "JPEG2000", {}), ("a.webp", "WEBP", {}),
     ("a.tif", "TIFF", {}), ("a.bmp", "BMP", {}), ("a.jpg", "PNG", {})],
)  # fmt: skip
def test_every_format_that_a_training_reads_is_read(
    tmp_path: Path, name: str, kind: str, options: dict[str, object]
) -> None:
    found = look(made(tmp_path, name, encoded(noise(0, side=64), kind, **options)))
    assert (found.problem, found.levels) == ("", 256)


def test_bytes_after_the_end_of_a_jpeg_do_no_harm(tmp_path: Path) -> None:
    assert look(made(tmp_path, "a.jpg", encoded(noise(0), "JPEG") + b"film")).problem == ""


@pytest.mark.parametrize(("bits", "levels"), [(12, 16), (14, 64)])
def test_few_grey_levels_are_left_of_few_bits_in_a_16_bit_file(tmp_path: Path, bits: int, levels: int) -> None:
    values = np.random.default_rng(0).integers(0, 2**bits, (100, 100), dtype=np.uint16)
    for name, kind in (("a.png", "PNG"), ("a.tif", "TIFF")):
        assert look(made(tmp_path, name, encoded(values, kind))).levels == levels
