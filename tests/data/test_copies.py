"""Copies of images are found under other names, in other encodings, between splits and inside one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from automl.data import copies, sample
from automl.data.images import listing
from automl.data.picture_cache import look_at_all
from tests.pictures import encoded, noise


def told(train: list[Path], val: list[Path]) -> list[str]:
    found = copies.find({"train": train, "val": val}, look_at_all([*train, *val]))
    return ["\n".join(lines) for lines in found.messages()]


def images(root: Path, seeds: range) -> list[Path]:
    found = []
    for seed in seeds:
        path = root / f"{seed}.png"
        path.write_bytes(encoded(noise(seed, side=128)))
        found.append(path)
    return found


def resaved(path: Path, target: Path) -> None:
    Image.open(path).save(target, "JPEG", quality=85)


def copied(path: Path, target: Path) -> None:
    target.write_bytes(path.read_bytes())


def resized(path: Path, target: Path) -> None:
    Image.open(path).resize((96, 96), Image.Resampling.LANCZOS).save(target)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (copied, "copies of"),
        (resaved, "near copies of"),
        (resized, "near copies of"),
    ],
)
def test_a_copy_in_another_split_is_told_with_its_pair(
    tmp_path: Path, make: Callable[[Path, Path], object], what: str
) -> None:
    train = images(tmp_path, range(6))
    val = [*images(tmp_path, range(10, 12)), tmp_path / "copy.jpg"]
    make(train[3], val[-1])
    (message,) = told(train, val)
    assert message.startswith(f"1 of 3 images of val are {what} images of train; ")
    assert f"{val[-1]} = {train[3]}" in message


def test_a_copy_inside_a_split_is_told(tmp_path: Path) -> None:
    train = images(tmp_path, range(4))
    for number, make in enumerate((resaved, copied)):
        train.append(tmp_path / f"copy{number}.jpg")
        make(train[number], train[-1])
    assert [message.split("; ")[0] for message in told(train, images(tmp_path, range(9, 11)))] == [
        "1 of 6 images of train are copies of others in it",
        "1 of 6 images of train are near copies of others in it",
    ]


def test_an_image_that_is_listed_twice_is_no_copy_of_itself(tmp_path: Path) -> None:
    train = images(tmp_path, range(2))
    assert told([*train, *train], images(tmp_path, range(5, 7))) == []


def test_blank_pictures_and_pictures_of_one_kind_are_no_near_copies(tmp_path: Path) -> None:
    for level in (20, 21):
        Image.new("L", (64, 64), level).save(tmp_path / f"{level}.png")
    assert told([tmp_path / "20.png"], [tmp_path / "21.png"]) == []
    sample.draw(tmp_path / "drawn", splits={"train": 40, "val": 40})
    train, val = (listing([tmp_path / "drawn/images" / split], roots=()).images for split in ("train", "val"))
    assert told(train, val) == []


def test_of_many_images_some_are_compared_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl.data.copies.MOST_COMPARED", 4)
    told_last = told(images(tmp_path, range(8)), images(tmp_path, range(20, 24)))[-1]
    assert told_last == "near copies were searched among 4 of 12 images"


def test_duplicates_are_kept_with_their_pairs(tmp_path: Path) -> None:
    train, val = images(tmp_path, range(3)), [tmp_path / "copy.jpg"]
    copied(train[1], val[0])
    given = {"train": train, "val": val}
    pictures = look_at_all([*train, *val])
    first = copies.kept(given, pictures, cache=tmp_path / "cache")
    assert first.groups == (copies.Duplicates("val", "train", exact=True, of=1, pairs=((val[0], train[1]),)),)
    assert copies.kept(given, pictures, cache=tmp_path / "cache") == first == copies.find(given, pictures)
    (file,) = (tmp_path / "cache/lines").iterdir()
    for damage in ('["x"]', "[]", '["[[[1]], 2, 3]"]'):
        file.write_text(damage)
        assert copies.kept(given, pictures, cache=tmp_path / "cache") == first
