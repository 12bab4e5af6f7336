"""A full temporary folder of this machine: told in words, and waited for."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automl.storage import local_disk
from automl.study.errors import StudyError
from tests.small_storage import Storage, mounted


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A temporary folder of 4 MB."""
    with mounted(tmp_path / "small", size="4m") as storage:
        monkeypatch.setattr(tempfile, "tempdir", str(storage.folder))
        monkeypatch.setenv("TMPDIR", str(storage.folder))
        yield storage


def test_a_full_folder_is_told_from_one_with_room(disk: Storage) -> None:
    assert not local_disk.is_full()
    disk.fill()
    assert local_disk.is_full()
    with pytest.raises(OSError, match="No space left") as caught:
        local_disk.need(1)
    assert caught.value.errno == errno.ENOSPC
    disk.empty()
    local_disk.need(2_000_000)


def test_any_failure_on_a_full_disk_is_one_message(disk: Storage) -> None:
    with pytest.raises(ValueError, match="own"), local_disk.FullDiskErrors():
        raise ValueError("own")
    disk.fill()
    for error in (RuntimeError("TuneError"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
        with (
            pytest.raises(StudyError, match=r"small: the local temporary folder must have room"),
            local_disk.FullDiskErrors(),
        ):
            raise error
    with pytest.raises(StudyError, match="in words already"), local_disk.FullDiskErrors():
        raise StudyError("in words already")
    with pytest.raises(KeyboardInterrupt, match="stop"), local_disk.FullDiskErrors():
        raise KeyboardInterrupt("stop")


def test_no_temporary_folder_at_all_counts_as_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert local_disk.is_full()
    with pytest.raises(OSError, match="No usable temporary directory") as caught:
        local_disk.folder()
    assert caught.value.errno == errno.ENOSPC


def test_what_was_written_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(bytes(1000))
    (tmp_path / "d").write_bytes(bytes(24))
    assert local_disk.written(tmp_path) == 1024


@pytest.mark.parametrize(("look", "counted"), [(1, 10), (2, 20)])
def test_a_file_that_is_deleted_while_it_is_counted_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: int, counted: int
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(bytes(10))
    stat, looks = Path.stat, list[Path]()

    def deleting(path: Path, **options: Any) -> os.stat_result:
        """Look at a file; before so many looks at the first one it is deleted."""
        looks.append(path)
        if looks.count(tmp_path / "a") == look:
            (tmp_path / "a").unlink(missing_ok=True)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", deleting)
    assert local_disk.written(tmp_path) == counted


def test_a_folder_that_was_full_lately_is_remembered_as_a_cause(disk: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    shortage = local_disk.Shortage(lambda: now[0])
    monkeypatch.setattr(local_disk, "SHORTAGE", shortage)
    assert local_disk.with_cause("raylet ended") == "raylet ended"
    disk.fill()
    shortage.look()
    disk.empty()
    now[0] = 60.0
    assert local_disk.with_cause("raylet ended").startswith(f"raylet ended; {disk.folder} had no room left, which ends")
    now[0] = 200.0
    assert local_disk.with_cause("raylet ended") == "raylet ended"


def test_shared_memory_without_room_is_a_cause_too(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = local_disk.SHARED
    monkeypatch.setattr(local_disk, "_free", lambda place: 0 if place == shared else 10**9)
    assert local_disk.Shortage().text().startswith("/dev/shm had no room left")
    monkeypatch.setattr(local_disk, "_free", lambda _place: 10**9)
    assert local_disk.Shortage().text() == ""
