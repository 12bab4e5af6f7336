"""Label files: regular files inside the data set alone, of which a message quotes a line at most."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from automl.data.labels import MOST_BYTES, QUOTED
from automl.study.errors import DataError
from tests.builders import written
from tests.data.test_check import BOTH, check, drawn, refused

SECRET = "sekret-123"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    drawn(folder)
    drawn(folder, split="val")
    return folder


def to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "must be a readable file, but is not a regular file"),
        (to("/dev/zero"), "is a symlink to a file outside the data set"),
        (to("/proc/self/environ"), "is a symlink to a file outside the data set"),
        (to("../../../outside.txt"), "is a symlink to a file outside the data set"),
    ],
    ids=["FIFO", "device", "environment", "file outside"],
)
def test_a_label_that_is_no_file_of_the_data_set_is_neither_read_nor_quoted(
    root: Path, make: Callable[[Path], object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", SECRET)
    written(root.parent, "outside.txt", f"TOKEN={SECRET}")
    label = root / "labels/train/1.txt"
    label.unlink()
    make(label)
    message = refused(root)
    assert f"labels/train/1.txt:1: {told}" in message
    assert SECRET not in message


def test_a_label_may_be_a_link_to_the_blobs_beside_its_snapshot(tmp_path: Path) -> None:
    root = tmp_path / "hub/snapshots/1"
    drawn(root)
    drawn(root, split="val")
    written(tmp_path / "hub/blobs", "a", BOTH)
    (root / "labels/train/1.txt").unlink()
    (root / "labels/train/1.txt").symlink_to("../../../../blobs/a")
    assert check(root).boxes["train"] == {0: 4, 1: 2}


@pytest.mark.parametrize("store", ["pool", ".git/annex/objects", ".dvc/cache"])
def test_a_label_may_be_a_link_inside_the_data_set_or_to_a_store_of_its_repository(root: Path, store: str) -> None:
    place = (root if store == "pool" else root.parent) / store
    written(place, "a", BOTH)
    label = root / "labels/train/1.txt"
    label.unlink()
    label.symlink_to(place / "a")
    assert check(root).boxes["train"] == {0: 4, 1: 2}


@pytest.mark.parametrize(
    "line", ["x" * 5_000_000, "0 0." + "5" * 5_000_000, "9 " * 1_000_000, "0 9." + "5" * 900 + " 1 1 1"]
)
def test_of_a_long_line_only_its_start_is_quoted(root: Path, line: str) -> None:
    written(root / "labels/train", "1.txt", line)
    message = refused(root).partition("labels/train/1.txt:1: ")[2]
    assert len(message) < QUOTED + 100


def test_a_label_file_of_many_megabytes_is_refused_without_being_parsed(root: Path) -> None:
    with (root / "labels/train/1.txt").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert "1.txt:1: must be a readable file, but has more than 8 MB" in refused(root)


def test_one_label_in_a_hundred_that_leads_out_is_left_out_and_told(root: Path) -> None:
    written(root / "labels/train", "2.txt", "".join(f"1 0.5 0.5 0.2 {n / 1000}\n" for n in range(100, 220)))
    label = root / "labels/train/1.txt"
    label.unlink()
    label.symlink_to("/etc/passwd")
    found = check(root)
    assert "1 of 124 label lines are invalid" in found.warnings[0]
    assert [image.stem for image in found.images["train"]] == ["0", "2", "3"]


def test_all_mistakes_of_a_file_stay_data_errors(root: Path) -> None:
    (root / "labels/train/1.txt").unlink()
    (root / "labels/train/1.txt").mkdir()
    with pytest.raises(DataError, match="not a regular file"):
        check(root)
