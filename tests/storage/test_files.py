"""Writes happen as a whole or not at all; one writer holds a folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from automl.storage import files
from automl.study.errors import StudyError
from tests.builders import written

HOLD = (
    "import sys; from pathlib import Path; from automl.storage import files\nwith files.locked(Path(sys.argv[1])): {}"
)


def broken(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("write", "content"),
    [
        (lambda path: files.write_text(path, "ü\r\n"), "ü\r\n".encode()),
        (lambda path: files.write_bytes(path, b"\0\xff"), b"\0\xff"),
        (lambda path: files.write_json(path, {"a": [1, None]}), b'{\n  "a": [\n    1,\n    null\n  ]\n}\n'),
        (lambda path: files.copy(written(path.parent, "source", "x"), path), b"x"),
    ],
    ids=["text", "bytes", "json", "copy"],
)
def test_a_file_is_replaced_by_what_was_given(tmp_path: Path, write: Callable[[Path], None], content: bytes) -> None:
    path = tmp_path / "new" / "folder" / "file"
    for _ in range(2):
        write(path)
        assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_write_that_breaks_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = written(tmp_path, "file", "old")
    monkeypatch.setattr(*((os, "fsync", broken) if call == "fsync" else (Path, "replace", broken)))
    with pytest.raises(OSError, match="No space left"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_copy_of_what_is_not_there_leaves_the_old_file(tmp_path: Path) -> None:
    path = written(tmp_path, "file", "old")
    with pytest.raises(FileNotFoundError, match="none"):
        files.copy(tmp_path / "none", path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
def test_json_that_others_cannot_read_is_never_written(tmp_path: Path, value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "file", value)
    assert list(tmp_path.iterdir()) == []


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(written(tmp_path, "file", "abc")) == digest


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with files.locked(tmp_path):
        found = subprocess.run(
            [sys.executable, "-c", HOLD.format("pass"), tmp_path], capture_output=True, text=True, check=False
        )
    assert found.returncode == 1
    told = f"StudyError: {tmp_path}: must have one writer at a time, but process {os.getpid()} on "
    assert told in found.stderr


def test_the_lock_is_free_again_however_its_holder_ends(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", HOLD.format("sys.stdout.flush(); import os; os._exit(9)"), tmp_path], check=False
    )
    with files.locked(tmp_path), pytest.raises(StudyError, match="one writer at a time"), files.locked(tmp_path):
        pass
    with files.locked(tmp_path):
        pass


@pytest.mark.parametrize("place", ["file", "file/below", "n" * 300])
def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path, place: str) -> None:
    written(tmp_path, "file", "")
    with (
        pytest.raises(StudyError, match=r"must be a folder that can be written, but "),
        files.locked(tmp_path / place),
    ):
        pass
