"""Only regular files are read, and no more of them than is wanted."""

import os
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
