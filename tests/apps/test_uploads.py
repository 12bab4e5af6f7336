"""Uploads continue where they were interrupted, stay in their folder and below their limits."""

from pathlib import Path

import pytest

from automl.apps import uploads
from automl.apps.uploads import UploadError, Uploads

BATCH = "0123456789abcdef"


def test_an_upload_continues_where_it_was_interrupted(tmp_path: Path) -> None:
    held = Uploads(tmp_path)
    assert held.received(BATCH, "set/a.png") == 0
    assert held.append(BATCH, "set/a.png", b"12", offset=0, size=5) == 2
    again = Uploads(tmp_path)
    with pytest.raises(UploadError, match="a part must begin at byte 2, but begins at 0") as caught:
        again.append(BATCH, "set/a.png", b"12", offset=0, size=5)
    assert (caught.value.code, caught.value.received) == (409, 2)
    with pytest.raises(UploadError, match="an upload must be complete, but files are missing; continue it"):
        again.source(BATCH)
    assert again.append(BATCH, "set/a.png", b"345", offset=2, size=5) == 5
    assert (again.source(BATCH) / "set/a.png").read_bytes() == b"12345"
    assert again.received(BATCH, "set/a.png") == 5
    again.delete(BATCH)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/a.png", "a/../../b.png", "..\\a.png", ".ssh/a.png", "C:/a.png", "a.py", "a.pt", "",
             "a\x00.png", "/".join("abcdefghi") + ".png", f"{'a' * 200}.png"],
)  # fmt: skip
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UploadError, match="must be an image, an annotation or an archive with a plain name"):
        Uploads(tmp_path).append(BATCH, name, b"1", offset=0, size=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("batch", ["", "..", "../../etc/passwd0", "0123456789abcdeg", "a" * 65])
def test_other_batches_are_refused(tmp_path: Path, batch: str) -> None:
    with pytest.raises(UploadError, match="a batch must be 16 to 64 hexadecimal digits"):
        Uploads(tmp_path).delete(batch)


def test_limits_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Uploads(tmp_path, most_bytes=10)
    with pytest.raises(UploadError, match=r"a part must have at most .* bytes, and end within the file"):
        held.append(BATCH, "a.png", b"123", offset=0, size=2)
    held.append(BATCH, "a.png", b"12345678", offset=0, size=8)
    with pytest.raises(UploadError, match="uploads must have at most 0 MB together; import or delete some"):
        held.append(BATCH, "b.png", b"123", offset=0, size=3)
    monkeypatch.setattr(uploads, "MOST_FILES", 1)
    with pytest.raises(UploadError, match="an upload must have at most 1 files; pack them into an archive"):
        held.append(BATCH, "b.png", b"1", offset=0, size=1)


def test_batches_that_nobody_continued_are_deleted(tmp_path: Path) -> None:
    Uploads(tmp_path).append(BATCH, "a.png", b"1", offset=0, size=2)
    Uploads(tmp_path).delete_old()
    assert (tmp_path / BATCH).is_dir()
    Uploads(tmp_path, clock=lambda: (tmp_path / BATCH).stat().st_mtime + uploads.KEPT_SECONDS + 60).delete_old()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    held = Uploads(tmp_path)
    held.append(BATCH, "a.txt", b"1", offset=0, size=1)
    with pytest.raises(UploadError, match="the part cannot be stored: File exists") as caught:
        held.append(BATCH, "a.txt/b.txt", b"1", offset=0, size=1)
    assert caught.value.code == 507
