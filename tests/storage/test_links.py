"""Storage without links, permissions or synchronised folders: exFAT, SMB shares, Google Drive."""

import errno
import os
from pathlib import Path
from typing import Any, NoReturn

import pytest

from automl.storage import files, scratch
from automl.study.errors import StudyError


def refusing(number: int) -> Any:
    def refuse(*_given: object, **_more: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize(
    ("missing", "kind"), [((), "symbolic links"), (("symlink",), "hard links"), (("symlink", "link"), "copies")]
)
def test_a_link_is_a_symbolic_one_a_hard_one_or_a_copy_as_the_storage_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, missing: tuple[str, ...], kind: str
) -> None:
    (tmp_path / "a").write_text("image")
    for name in missing:
        monkeypatch.setattr(os, name, refusing(number))
    assert files.link(tmp_path / "a", tmp_path / "b") == kind
    assert (tmp_path / "b").read_text() == "image"


def test_a_hard_link_across_file_systems_becomes_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("image")
    monkeypatch.setattr(os, "symlink", refusing(errno.EPERM))
    monkeypatch.setattr(os, "link", refusing(errno.EXDEV))
    assert files.link(tmp_path / "a", tmp_path / "b") == "copies"


def test_a_full_disk_is_no_missing_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "symlink", refusing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        files.link(tmp_path / "a", tmp_path / "b")


def test_a_storage_without_permissions_and_folder_synchronisation_takes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.fsync
    monkeypatch.setattr(Path, "chmod", refusing(errno.EPERM))
    monkeypatch.setattr(os, "fsync", lambda handle: whole(handle) if handle_of_file(handle) else refusing(22)())
    files.write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"


def handle_of_file(handle: int) -> bool:
    return not Path(f"/proc/self/fd/{handle}").is_dir()


def test_a_storage_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", refusing(errno.ENOLCK))
    with pytest.raises(StudyError, match=r"must be on a file system with locks \(flock\)"), files.locked(tmp_path):
        pass


def test_a_long_temporary_folder_goes_by_a_short_name_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 60) / "tmp"
    monkeypatch.setenv("TMPDIR", str(long))
    with scratch.short_name(variable="TMPDIR", most=40) as said:
        short = Path(os.environ["TMPDIR"])
        assert len(str(short)) <= 40
        assert f"TMPDIR has {len(str(long))} letters" in said
        (short / "a").write_text("here")
    assert (long / "a").read_text() == "here"
    assert not short.parent.exists()
    assert os.environ["TMPDIR"] == str(long)


def test_a_short_temporary_folder_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/short")
    with scratch.short_name(variable="TMPDIR", most=40) as said:
        assert (said, os.environ["TMPDIR"]) == ("", "/short")


def test_where_no_short_place_can_be_written_the_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/x" * 60)
    monkeypatch.setattr(scratch, "SHORT_PLACES", (str(tmp_path / "none"),))
    with (
        pytest.raises(StudyError, match=r"TMPDIR: must be a path of at most 40 letters.* set TMPDIR"),
        scratch.short_name(variable="TMPDIR", most=40),
    ):
        pass
