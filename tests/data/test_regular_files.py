"""Only regular files are read, and no more of them than is wanted."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from automl.data import regular_files
from tests.builders import written


def test_a_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written(tmp_path, "a", "content"))
    assert regular_files.read(tmp_path / "link", most=7) == b"content"


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "a")
    with pytest.raises(OSError, match="is not a regular file"):
        regular_files.read(tmp_path / "a", most=10)


@pytest.mark.parametrize("path", ["a", "/proc/self/maps"], ids=["larger", "of unknown size"])
def test_a_file_larger_than_the_limit_is_refused(tmp_path: Path, path: str) -> None:
    written(tmp_path, "a", "x" * 11)
    with pytest.raises(OSError, match="has more than 0 MB"):
        regular_files.read(tmp_path / path, most=10)


def test_memory_is_taken_for_the_file_not_for_the_limit(tmp_path: Path) -> None:
    written(tmp_path, "a", "x" * 11)
    tracemalloc.start()
    try:
        assert regular_files.read(tmp_path / "a", most=1 << 30) == b"x" * 11
        assert tracemalloc.get_traced_memory()[1] < regular_files.MB
    finally:
        tracemalloc.stop()


def test_a_file_whose_size_is_unknown_is_read_whole() -> None:
    content = regular_files.read(Path("/proc/self/status"), most=regular_files.MB)
    assert content.startswith(b"Name:")
    assert content.endswith(b"\n")
