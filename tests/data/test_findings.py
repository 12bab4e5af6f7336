"""What Ultralytics takes is taken, and what it trains on otherwise than its owner thinks is told."""

from pathlib import Path
from typing import Any

import pytest

from automl.data import check as data_check
from automl.study.errors import DataError
from tests.builders import written
from tests.data.test_check import GOOD, RAW, SPLITS, check, drawn, refused
from tests.pictures import picture


@pytest.fixture
def root(tmp_path: Path) -> Path:
    drawn(tmp_path)
    drawn(tmp_path, split="val")
    return tmp_path


def test_splits_are_lists_of_folders_and_list_files(root: Path) -> None:
    drawn(root, split="more")
    written(root, "list.txt", "images/val/0.jpg\nimages/val/1.jpg\n")
    found = check(root, train=["images/train", "../images/more"], val=["list.txt"])
    assert {split: len(images) for split, images in found.images.items()} == {"train": 8, "val": 2}


def test_validation_is_another_word_for_val(root: Path) -> None:
    assert len(check(root, val=None, validation="images/val").images["val"]) == 4


def test_path_and_lines_of_lists_may_be_those_of_the_working_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = written(root / "yamls", "data.yaml", "")
    written(root / "yamls", "train.txt", f"{root.name}/images/train/0.jpg\n")
    monkeypatch.chdir(root.parent)
    assert len(data_check.check(source, {**RAW, "path": root.name}, splits=SPLITS).images["train"]) == 4
    raw = {**RAW, "train": "train.txt", "val": str(root / "images/val")}
    assert len(data_check.check(source, raw, splits=SPLITS).images["train"]) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"path": "/content/x"}, "; remove `path` (/content/x)"), ({"train": "images\\train"}, "; write / instead of")],
)
def test_a_place_that_is_not_there_is_told_with_the_likely_reason(
    root: Path, changes: dict[str, str], told: str
) -> None:
    assert told in refused(root, **changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"nc": 3}, "nc: must be the number of names (2), but got 3; remove nc, or fix names"),
        ({"nc": 1.5}, "nc: must be the number of classes, but got 1.5"),
        ({"channels": 1}, "channels: must be 3"),
        ({"kpt_shape": [4]}, "kpt_shape: must be [number of keypoints, values each], such as [17, 3], but got [4]"),
    ],
)
def test_keys_that_contradict_or_cannot_be_kept_are_refused(root: Path, changes: dict[str, Any], told: str) -> None:
    assert told in refused(root, **changes)


@pytest.mark.parametrize("count", [2, 2.0, "2"])
def test_the_number_of_classes_alone_makes_names(root: Path, count: object) -> None:
    assert check(root, names=None, nc=count).names == {0: "class_0", 1: "class_1"}


def test_hidden_files_and_folders_are_passed_over(root: Path) -> None:
    for name in ("._0.jpg", ".ipynb_checkpoints/0-checkpoint.jpg"):
        picture(root / "images/train" / name)
    assert len(check(root).images["train"]) == 4


def test_pictures_of_other_formats_are_counted(root: Path) -> None:
    written(root / "images/train", "a.gif", "x")
    assert "train: images in other formats are not read: 1 .gif" in check(root).warnings[0]


@pytest.mark.parametrize(
    ("shape", "line", "boxes"),
    [([2, 2], f"{GOOD} 0.5 0.5 0.6 0.6", 4), ([2, 3], f"{GOOD} 0.5 0.5 2 0.6 0.6 1", 4), ([2, 2], GOOD, 4)],
)
def test_keypoints_are_cut_off(root: Path, shape: list[int], line: str, boxes: int) -> None:
    written(root / "labels/train", "1.txt", line)
    found = check(root, kpt_shape=shape)
    assert found.boxes["train"][0] == boxes
    assert found.warnings == (f"{root}/data.yaml: kpt_shape: keypoints are ignored: only boxes are used for training",)


def test_keypoints_that_are_read_as_polygons_are_told(root: Path) -> None:
    for number in range(4):
        written(root / "labels/train", f"{number}.txt", f"{number % 2} 0.5 0.5 0.2 0.2 0.45 0.5 0.55 0.5")
    assert "4 label lines look like boxes with keypoints" in check(root).warnings[0]


def test_polygons_and_four_corners_are_told_to_become_boxes(root: Path) -> None:
    corners = "0.1 0.1 0.3 0.1 0.3 0.2 0.1 0.2"
    for number in range(4):
        written(root / "labels/train", f"{number}.txt", f"{number % 2} {corners}")
    found = check(root)
    assert "4 label lines of four corners (oriented boxes) are replaced by their bounding boxes" in found.warnings[0]
    assert found.polygons == {"train"}
    written(root / "labels/train", "3.txt", GOOD)
    assert check(root).polygons == frozenset()


def test_what_lies_a_hair_outside_is_taken_as_by_ultralytics(root: Path) -> None:
    lines = ["0 1.005 0.5 0.1 0.1", "0 -0.005 0.5 0.1 0.1", "0 0.5 0.5 0 0.1"]
    written(root / "labels/train", "1.txt", "\n".join(lines))
    found = check(root)
    assert found.boxes["train"] == {0: 6, 1: 1}
    assert "1 boxes have zero width or height" in found.warnings[0]


def test_repeats_are_told(root: Path) -> None:
    written(root / "labels/train", "1.txt", f"{GOOD}\n{GOOD}0\n")
    found = check(root, train=["images/train", "images/train"])
    assert "4 images are listed more than once and are used as often in each epoch" in found.warnings[0]
    assert "2 label lines are duplicates within their file and are dropped" in found.warnings[1]
    assert found.boxes["train"] == {0: 8, 1: 2}


@pytest.mark.parametrize("name", ["part_1.txt", "1.TXT", "1.jpg.txt", "abc-1.txt"])
def test_labels_of_another_name_are_told_with_their_image(root: Path, name: str) -> None:
    (root / "images/train/1.jpg").rename(root / "images/train/part#1.jpg") if name == "part_1.txt" else None
    (root / "labels/train/1.txt").rename(root / "labels/train" / name)
    missing, orphans = check(root).warnings
    assert f"names differ: {name} may belong to" in missing
    assert f"1 label files belong to no image, such as {root}/labels/train/{name}" in orphans


def test_a_class_without_a_box_in_a_split_is_told(root: Path) -> None:
    written(root / "labels/val", "0.txt", GOOD)
    assert check(root).warnings[0].endswith("val: no box of class spot: neither trained nor evaluated there")


def test_an_unlabelled_test_split_says_what_else_can_be_done(root: Path) -> None:
    drawn(root, split="test", labels="")
    for test in ("images/test", "images/val"):
        with pytest.raises(DataError, match=r"; or set confirm\.split to val"):
            data_check.check(root / "data.yaml", {**RAW, "test": test}, splits=("train", "val", "test"))


def test_a_split_called_valid_is_told_its_name(root: Path) -> None:
    assert refused(root, val=None, valid="images/val").endswith("but names none; rename the key valid to val")
