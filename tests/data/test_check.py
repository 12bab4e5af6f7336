"""What a data set must execute before a GPU is spent on it; each mistake named by file, key or line."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from automl.data import check as data_check
from automl.data.record import DataSet
from automl.study.errors import DataError
from automl.study.text import lines
from tests.builders import written
from tests.pictures import picture

SPLITS = ("train", "val")
GOOD = "0 0.5 0.5 0.2 0.2"
BOTH = f"{GOOD}\n1 0.2 0.2 0.1 0.1\n"
RAW: Mapping[str, Any] = {"train": "images/train", "val": "images/val", "names": {0: "hole", 1: "spot"}}


def drawn(root: Path, *, split: str = "train", count: int = 4, labels: str = GOOD + "\n") -> list[Path]:
    """Put images and their label files into the folders of a split; the first holds a box of the second class too."""
    return [
        picture(root / "images" / split / f"{number}.jpg", labels=labels if number or labels != GOOD + "\n" else BOTH)
        for number in range(count)
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    drawn(tmp_path)
    drawn(tmp_path, split="val")
    return tmp_path


def check(root: Path, **changes: Any) -> DataSet:
    return data_check.check(root / "data.yaml", {**RAW, **changes}, splits=SPLITS)


def refused(root: Path, **changes: Any) -> str:
    with pytest.raises(DataError, match=r"data.yaml: ") as caught:
        check(root, **changes)
    return str(caught.value).replace(f"{root}/", "")


def test_a_good_data_set_is_counted(root: Path) -> None:
    found = check(root)
    assert {split: len(images) for split, images in found.images.items()} == {"train": 4, "val": 4}
    assert found.boxes == {"train": {0: 4, 1: 1}, "val": {0: 4, 1: 1}}
    assert (found.names, found.warnings) == ({0: "hole", 1: "spot"}, ())


@pytest.mark.parametrize(
    ("names", "mistake"),
    [
        (None, "must map class numbers to names, but got None"),
        ([], "must map class numbers to names, but got []"),
        ("hole", "must map class numbers to names, but got 'hole'"),
        ({0: "a", 2: "b"}, "must be numbered 0 to 1, but got [0, 2]"),
        ({"a": "b"}, "must be numbered 0 to 0, but got ['a']"),
        ({1.5: "a"}, "must be numbered 0 to 0, but got [1.5]"),
        ({True: "a", 0: "b"}, "must be numbered 0 to 1, but got [True, 0]"),
        ({None: "a"}, "must be numbered 0 to 0, but got [None]"),
        ({"0": "a", 0: "b"}, "must be numbered 0 to 1, but got ['0', 0]"),
    ],
)
def test_names_must_number_the_classes_without_a_gap(root: Path, names: object, mistake: str) -> None:
    assert refused(root, names=names) == f"data.yaml: names: {mistake}"


@pytest.mark.parametrize("name", [None, False, {"a": 1}, ["a"]])
def test_a_name_is_text(root: Path, name: object) -> None:
    told = f"data.yaml: names.1: must be text (in quotes where YAML reads another type), but got {name!r}"
    assert refused(root, names=["hole", name]) == told


@pytest.mark.parametrize("names", [["hole", "spot"], {1: "spot", 0: "hole"}, {"0": "hole", "1": "spot"}])
def test_names_may_be_a_list_or_a_mapping(root: Path, names: Any) -> None:
    assert check(root, names=names).names == {0: "hole", 1: "spot"}


@pytest.mark.parametrize("value", [None, 3, True, "", [], ["images/train", 3], {"a": 1}])
def test_a_split_names_places(root: Path, value: object) -> None:
    got = "names none" if value is None else f"got {value!r}"
    told = f"data.yaml: train: must name a folder or a text file that lists images, or a list of these, but {got}"
    assert refused(root, train=value) == told


def test_a_missing_test_split_says_what_else_can_be_done(root: Path) -> None:
    with pytest.raises(DataError, match=r"test: must name a folder .* but names none; or set confirm.split to val"):
        data_check.check(root / "data.yaml", RAW, splits=("train", "val", "test"))


@pytest.mark.parametrize("place", ["none", "loop", "n" * 300, "a\0b"])
def test_a_split_that_is_not_there_is_named(root: Path, place: str) -> None:
    (root / "loop").symlink_to("loop")
    told = refused(root, val=place)
    assert told.startswith("data.yaml: val: must ")
    assert "\n" not in told


def test_a_download_script_is_never_run_nor_in_the_way(root: Path) -> None:
    assert check(root, download="https://example.org/x.zip").images == check(root).images
    told = refused(root, val="none", download="https://example.org/x.zip")
    assert told.endswith("none does not; `download` is never run: download the data set manually")


def test_all_mistakes_of_the_yaml_are_told_at_once(root: Path) -> None:
    assert len(refused(root, names=None, train=3, val="none", channels=1).splitlines()) == 4


@pytest.mark.parametrize("where", ["relative", "absolute", "none", "above"])
def test_path_is_read_from_the_folder_of_the_yaml(
    root: Path, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    source = root / "sub" / "data.yaml" if where == "above" else root / "data.yaml"
    path = {"relative": ".", "absolute": str(tmp_path), "none": None, "above": ".."}[where]
    assert len(data_check.check(source, {**RAW, "path": path}, splits=SPLITS).images["train"]) == 4


def test_an_empty_split_is_named_with_its_folder(root: Path) -> None:
    (root / "empty").mkdir()
    assert refused(root, train="empty").startswith("data.yaml: train: must contain images (.avif, ")


def test_a_split_without_any_label_is_named_with_the_folder_looked_in(root: Path) -> None:
    drawn(root, split="bare", labels="\n")
    told = "data.yaml: train: must contain labelled boxes, but no label line was found in labels/bare"
    assert refused(root, train="images/bare") == told


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("2 0.5 0.5 0.1 0.1", "class must be 0 to 1, but got 2"),
        ("-1 0.5 0.5 0.1 0.1", "class must be 0 to 1, but got -1"),
        ("0.5 0.5 0.5 0.1 0.1", "class must be 0 to 1, but got 0.5"),
        ("9e300 0.5 0.5 0.1 0.1", "class must be 0 to 1, but got 9e300"),
        ("0 nan 0.5 0.1 0.1", "must be finite numbers, but got '0 nan 0.5 0.1 0.1'"),
        ("0 1e999 0.5 0.1 0.1", "must be finite numbers, but got '0 1e999 0.5 0.1 0.1'"),
        ("hole 0.5 0.5 0.1 0.1", "must be finite numbers, but got 'hole 0.5 0.5 0.1 0.1'"),
        ("0,0.5,0.5,0.1,0.1", "must be finite numbers, but got '0,0.5,0.5,0.1,0.1'"),
        ("0 1.5 0.5 0.1 0.1", "box must lie inside the image (0 to 1), but got 1.5 0.5 0.1 0.1"),
        ("0 64 64 12 12", "box must lie inside the image (0 to 1), but got 64 64 12 12"),
        ("0 -0.1 0.5 0.1 0.1", "box must lie inside the image (0 to 1), but got -0.1 0.5 0.1 0.1"),
        ("0 0.5 0.5 -0.001 0.1", "width and height must not be negative, but got -0.001 0.1"),
        ("0 1.011 0.5 0.1 0.1", "box must lie inside the image (0 to 1), but got 1.011 0.5 0.1 0.1"),
        ("0 0.5 0.5 0.1", "must be `class x y width height` or a polygon, but has 4 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9", "must be `class x y width height` or a polygon, but has 6 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9 0.9 0.9", "must be `class x y width height` or a polygon, but has 8 numbers"),
    ],
)
def test_a_bad_label_line_is_named_by_file_and_line(root: Path, line: str, mistake: str) -> None:
    written(root / "labels/train", "2.txt", f"{GOOD}\n\n{line}\n")
    assert refused(root) == f"data.yaml: train: 1 of 6 label lines are invalid:\n  labels/train/2.txt:3: {mistake}"


def test_a_box_among_polygons_is_wrong(root: Path) -> None:
    written(root / "labels/train", "2.txt", f"0 0.1 0.1 0.2 0.1 0.2 0.2\n{GOOD}\n")
    assert "labels/train/2.txt:2: boxes and polygons must not be mixed in one file" in refused(root)


def test_a_few_bad_lines_are_a_warning_with_their_count(root: Path) -> None:
    lines = "".join(f"1 0.5 0.5 0.2 {number / 1000}\n" for number in range(100, 200))
    written(root / "labels/train", "1.txt", lines)
    written(root / "labels/train", "2.txt", f"{GOOD}\n7 0.5 0.5 0.1 0.1\n")
    found = check(root)
    assert found.warnings == (
        f"{root}/data.yaml: train: 1 of 105 label lines are invalid:\n"
        f"  {root}/labels/train/2.txt:2: class must be 0 to 1, but got 7\n"
        "  1 images with such lines are excluded, as in Ultralytics",
    )
    assert found.boxes["train"] == {0: 2, 1: 101}
    assert [image.stem for image in found.images["train"]] == ["0", "1", "3"]


@pytest.mark.parametrize(("bad", "fatal"), [(30, True), (1, False)])
def test_a_line_break_in_a_name_breaks_no_message(root: Path, bad: int, *, fatal: bool) -> None:
    picture(root / "images/train" / "a\ndata warning: none.jpg", labels="0 2 2 2 2\n" * bad)
    written(root / "labels/train", "1.txt", "".join(f"1 0.5 0.5 0.2 {n / 1000}\n" for n in range(100, 200)))
    if fatal:
        written(root / "labels/train", "1.txt", GOOD)
        with pytest.raises(DataError, match="label lines are invalid") as caught:
            check(root)
        told = lines(*caught.value.args)
    else:
        (told,) = check(root).warnings
    assert "a\\ndata warning: none.txt:1: " in told
    assert all(line.startswith(("  ", str(root))) for line in told.split("\n"))


def test_of_many_bad_lines_ten_are_shown_and_the_rest_counted(root: Path) -> None:
    written(root / "labels/train", "0.txt", "7 0.5 0.5 0.1 0.1\n" * 25)
    told = refused(root).splitlines()
    assert len(told) == 12
    assert told[-1] == "  and 15 more"


@pytest.mark.parametrize(
    "content",
    [
        f"{GOOD}\r\n1 0.5 0.5 0.1 0.1\r\n".encode(),
        f"\ufeff{GOOD}\n1 0.5 0.5 0.1 0.1".encode(),
        f"\n\n  {GOOD}\t\n\n1 0.5 0.5 0.1 0.1\n\n".encode(),
        b"0 0.1 0.1 0.2 0.1 0.2 0.2\n1 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2\n",
        b"0 0.1 0.1 0.2 0.1 0.2 0.2\n1 0.1 0.1\n",
        b"0.0 5e-1 .5 2E-1 0.2\n0.999999999\t0.5 0.5 0.1 0.1\n",
    ],
    ids=["CRLF", "BOM", "blank lines", "polygons", "a point among polygons", "numbers of single precision"],
)
def test_a_label_file_of_any_fashion_is_read(root: Path, content: bytes) -> None:
    (root / "labels/train/0.txt").write_bytes(content)
    assert check(root).boxes["train"] == {0: 4, 1: 1}


def folder(path: Path) -> None:
    path.mkdir()


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def dangling(path: Path) -> None:
    path.symlink_to("none")


@pytest.mark.parametrize("make", [folder, loop, dangling])
def test_a_label_file_that_cannot_be_read_is_no_background(root: Path, make: Callable[[Path], None]) -> None:
    label = root / "labels/train/0.txt"
    label.unlink()
    make(label)
    assert "labels/train/0.txt:1: " in refused(root)


def test_an_image_without_a_label_file_is_background(root: Path) -> None:
    (root / "labels/train/1.txt").unlink()
    found = check(root)
    assert found.boxes["train"] == {0: 3, 1: 1}
    assert "train: 1 of 4 images have no label file and count as background" in found.warnings[0]


@pytest.mark.parametrize("make", [Path.touch, loop, dangling])
def test_an_image_that_is_not_there_or_empty_is_named(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "images/train/x.jpg")
    found = check(root)
    assert "images/train/x.jpg: is listed, but is missing or empty" in found.warnings[0]
    assert len(found.images["train"]) == 4


def test_a_list_of_images_is_read_relative_to_itself(root: Path) -> None:
    lines = ["\ufeff./images/train/0.jpg", "", f"{root}/images/train/1.jpg", "images/train/../train/2.jpg  "]
    written(root, "lists/train.txt", "")
    written(root, "train.txt", "\r\n".join(lines))
    found = check(root, train="train.txt")
    assert [image.resolve().name for image in found.images["train"]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert found.boxes["train"] == {0: 3, 1: 1}


def test_a_line_of_a_list_that_names_no_image_is_told(root: Path) -> None:
    written(root, "train.txt", "images/train/0.jpg\nlabels/train/1.txt\nimages/none.jpg\n" + "n" * 300 + ".jpg\n")
    told = check(root, train="train.txt").warnings[0]
    assert "3 of 4 images are unusable and excluded" in told
    assert "labels/train/1.txt: must be an image" in told
    assert "images/none.jpg: is listed, but is missing" in told
    assert ".jpg: cannot be read: [Errno 36]" in told


def test_linked_folders_are_entered_once_each_and_circles_do_no_harm(root: Path) -> None:
    (root / "images/train/circle").symlink_to(root / "images/train")
    drawn(root, split="more")
    (root / "images/train/more").symlink_to(root / "images/more")
    assert len(check(root).images["train"]) == 8


def test_the_labels_of_a_linked_image_stand_beside_the_link(root: Path) -> None:
    (root / "images/train/pool.jpg").symlink_to(picture(root / "pool/a.jpg"))
    written(root, "labels/train/pool.txt", "1 0.5 0.5 0.1 0.1")
    written(root, "train.txt", "images/train/pool.jpg")
    assert check(root, train="train.txt").boxes["train"] == {1: 1}


@pytest.mark.parametrize("val", ["images/train", "again"], ids=["the same folder", "a link to it"])
def test_two_splits_share_no_image(root: Path, val: str) -> None:
    (root / "again").symlink_to(root / "images/train")
    told = (
        "data.yaml: train and val must share no image, but share 4, such as images/train/0.jpg; draw the splits again"
    )
    assert refused(root, val=val) == f"{told}: automl import data.yaml OUT --split 70,15,15"


def test_two_classes_of_one_name_are_refused(root: Path) -> None:
    told = "names: must differ, since scores are kept by name, but classes [0, 2] are all 'hole'"
    assert refused(root, names=["hole", "spot", "hole"]) == f"data.yaml: {told}"
