"""Writes happen as a whole or not at all; one writer holds a folder."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from automl.storage import files
from automl.storage.journal import Journal
from automl.study.errors import StudyError
from tests.builders import METRIC, written
from tests.processes import ended

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


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_what_is_written_is_as_closed_as_the_umask_asks(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        files.write_text(tmp_path / "file", "x")
        files.append(tmp_path / "lines", b"x")
        assert files.permitted(0o755) == 0o755 & ~mask
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}


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
    told = f"LockedError: {tmp_path}: must have one writer at a time, but process {os.getpid()} on "
    assert told in found.stderr


def test_the_lock_is_free_again_however_its_holder_ends(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", HOLD.format("sys.stdout.flush(); import os; os._exit(9)"), tmp_path], check=False
    )
    with (
        files.locked(tmp_path),
        pytest.raises(StudyError, match="must have one writer at a time"),
        files.locked(tmp_path),
    ):
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


def test_a_lock_whose_file_was_removed_is_taken_again_and_keeps_others_out(tmp_path: Path) -> None:
    with files.locked(tmp_path):
        (tmp_path / ".lock").unlink()
        files.keep_lock(tmp_path)
        with pytest.raises(StudyError, match="must have one writer at a time"), files.locked(tmp_path):
            pass
    with files.locked(tmp_path):
        pass


def test_a_lock_that_another_process_took_over_ends_the_writing(tmp_path: Path) -> None:
    hold = HOLD.replace("{}", 'print("locked", flush=True); sys.stdin.read()')
    with files.locked(tmp_path):
        files.keep_lock(tmp_path)
        (tmp_path / ".lock").unlink()
        with ended(
            subprocess.Popen(
                [sys.executable, "-c", hold, tmp_path], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
            )
        ) as other:
            assert other.stdout
            assert other.stdout.readline() == "locked\n"
            journal_is_refused(tmp_path)
            with pytest.raises(StudyError, match=rf"but process {other.pid} on .* its lock file .lock was removed"):
                files.keep_lock(tmp_path)


def journal_is_refused(folder: Path) -> None:
    """Check that a journal of the process that lost its lock takes no further line."""
    journal = folder / "journal.log"
    before = journal.read_bytes() if journal.exists() else b""
    with pytest.raises(StudyError, match="must have one writer at a time"):
        Journal.create(folder, name="small", metric=METRIC)
    assert (journal.read_bytes() if journal.exists() else b"") == before


def test_a_lock_file_that_was_exchanged_before_it_was_locked_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, exchanged = fcntl.flock, [False]

    def late(file: IO[str], how: int) -> None:
        if not exchanged.pop():
            (tmp_path / ".lock").unlink()
            (tmp_path / ".lock").touch()
        exchanged.append(True)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with (
        files.locked(tmp_path),
        pytest.raises(StudyError, match="must have one writer at a time"),
        files.locked(tmp_path),
    ):
        pass


def test_a_process_without_a_lock_has_none_to_keep(tmp_path: Path) -> None:
    files.keep_lock(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_a_storage_that_is_away_makes_no_folder_in_its_place(tmp_path: Path) -> None:
    with files.locked(tmp_path / "mount"):
        (tmp_path / "mount").rename(tmp_path / "away")
        files.keep_lock(tmp_path / "mount")
    assert [path.name for path in tmp_path.iterdir()] == ["away"]
