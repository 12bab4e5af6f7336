"""Places of images: folders that are searched, and lists that are read, up to a limit."""

import os
from pathlib import Path

import pytest

from automl.data import images
from tests.builders import written
from tests.data.test_check import check, drawn, refused


@pytest.fixture
def root(tmp_path: Path) -> Path:
    drawn(tmp_path)
    drawn(tmp_path, split="val")
    return tmp_path


def test_the_root_of_the_file_system_is_no_folder_of_images(root: Path) -> None:
    assert (
        refused(root, train="/") == "data.yaml: train: must be a folder of images, but / is the root of the file system"
    )


def test_a_folder_of_a_great_many_other_files_is_not_searched_to_its_end(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "MOST_OTHERS", 30)
    for number in range(100):
        written(root / "notes", f"{number}.md", "")
    assert "name the folder of the images" in refused(root, train=".")


@pytest.mark.parametrize("kind", ["a FIFO", "a device"])
def test_a_split_or_an_image_that_is_no_file_does_not_hang(root: Path, kind: str) -> None:
    for path in (root / "list", root / "images/train/x.jpg"):
        os.mkfifo(path) if kind == "a FIFO" else path.symlink_to("/dev/zero")
    assert " is neither" in refused(root, train="list")
    assert "1 of 5 images are unusable and excluded" in check(root).warnings[0]


def test_a_list_of_endless_lines_is_told_in_a_few(root: Path) -> None:
    written(root, "train.txt", "images/train/0.jpg\n" + "n" * 1_000_000 + ".jpg\n")
    assert len(check(root, train="train.txt").warnings[0]) < 2_000


def test_a_list_may_have_comments_backslashes_and_white_space_at_the_end_of_lines(root: Path) -> None:
    written(root, "train.txt", "# my list\nimages\\train\\0.jpg\n./images/train/1.jpg \t\nimages/train/2.jpg\n")
    found = check(root, train="train.txt")
    assert [image.name for image in found.images["train"]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert "train: 1 lines of list files end in white space; their images are used here" in "".join(found.warnings)


def test_a_split_that_is_a_picture_is_no_list(root: Path) -> None:
    (root / "a.jpg").write_bytes(b"\xff\xd8\xff")
    told = "data.yaml: train: must be a folder or a text file with one image a line, but a.jpg: is not text"
    assert refused(root, train="a.jpg") == told
