"""The tree of links in a study's folder: what Ultralytics reads, whatever the user's files are called."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from automl.data import check, staging
from automl.data.labels import label_lines, label_of
from automl.data.record import DataSet
from automl.study.errors import StudyError
from tests import pictures
from tests.builders import written
from tests.damage import flipped

GOOD = "0 0.5 0.5 0.2 0.2"


def picture(root: Path, name: str, *, labels: str = GOOD) -> Path:
    return pictures.picture(root / name, labels=labels)


def data_of(root: Path, *images: Path, names: dict[int, str] | None = None) -> DataSet:
    return DataSet(root / "data.yaml", names or {0: "hole"}, {"train": images}, {"train": {}}, (), "f" * 64)


def staged(marker: Path) -> dict[str, str]:
    """Return link name to label text, and see that each link leads to an image."""
    links = sorted((marker.parent / "images" / "train").iterdir())
    assert all(link.is_file() for link in links)
    return {link.name: label_of(link).read_text() for link in links}


def test_images_are_linked_and_labels_copied(tmp_path: Path) -> None:
    image = picture(tmp_path, "images/a.jpg")
    marker = staging.stage(data_of(tmp_path, image), tmp_path / "study")
    assert staged(marker) == {"a.jpg": GOOD + "\n"}
    assert (tmp_path / "study/images/train/a.jpg").readlink() == image
    assert not (tmp_path / "study/labels/train/a.txt").is_symlink()


def test_bad_images_and_label_lines_stay_out(tmp_path: Path) -> None:
    image = picture(tmp_path, "images/a.jpg", labels=f"9 0.5 0.5 0.1 0.1\n{GOOD}\nrubbish\n")
    marker = staging.stage(data_of(tmp_path, image, tmp_path / "images/none.jpg"), tmp_path / "study")
    assert staged(marker) == {"a.jpg": GOOD + "\n"}


def test_images_of_one_stem_keep_their_own_labels(tmp_path: Path) -> None:
    images = [
        picture(tmp_path, f"images/{name}", labels=f"{number} 0.5 0.5 0.2 0.2")
        for number, name in enumerate(["x/a.jpg", "y/a.jpg", "z/a.png", "x/a_2.jpg"])
    ]
    names = {number: str(number) for number in range(4)}
    marker = staging.stage(data_of(tmp_path, *images, names=names), tmp_path / "study")
    found = {(marker.parent / "images/train" / name).readlink(): labels for name, labels in staged(marker).items()}
    assert found == {image: f"{number} 0.5 0.5 0.2 0.2\n" for number, image in enumerate(images)}


def test_an_image_listed_twice_is_staged_twice(tmp_path: Path) -> None:
    image = picture(tmp_path, "images/a.jpg")
    found = staged(staging.stage(data_of(tmp_path, image, image), tmp_path / "study"))
    assert found == {"a.jpg": GOOD + "\n", "a_2.jpg": GOOD + "\n"}


def test_a_name_that_is_hidden_or_no_plain_text_is_staged_under_one_that_is_read(tmp_path: Path) -> None:
    images = [picture(tmp_path, f"images/{name}") for name in (".a.jpg", "b\udcff.jpg", "c\n\x1b[2J.jpg")]
    found = list(staged(staging.stage(data_of(tmp_path, *images), tmp_path / "study")))
    assert found == ["_.a.jpg", "b_xff.jpg", "c_n_x1b[2J.jpg"]


def test_keypoints_and_repeated_lines_are_not_staged(tmp_path: Path) -> None:
    image = picture(tmp_path, "images/a.jpg", labels=f"{GOOD} 0.5 0.5 0.6 0.6\n{GOOD}\n")
    data = replace(data_of(tmp_path, image), keypoints=4)
    assert staged(staging.stage(data, tmp_path / "study")) == {"a.jpg": GOOD + "\n"}


@pytest.mark.parametrize(
    "name", ['it\'s a "hole"', "a: b # c", "C:\\new", "ünï 孔 🕳", "[1]", "no", "{a}", "", "'", "\t"]
)
def test_any_class_name_and_any_folder_name_is_read_back(tmp_path: Path, name: str) -> None:
    folder = tmp_path / f"study {name.replace('/', '_')} #1"
    image = picture(tmp_path, "images/a.jpg")
    marker = staging.stage(data_of(tmp_path, image, names={0: name}), folder)
    found = yaml.safe_load(marker.read_text(encoding="utf-8"))
    assert found == {"path": str(folder), "train": "images/train", "names": {0: name}}


def test_what_is_staged_already_is_left_alone(tmp_path: Path) -> None:
    data = data_of(tmp_path, picture(tmp_path, "images/a.jpg"))
    cache = written(staging.stage(data, tmp_path / "study").parent, "labels/train.cache", "kept")
    before = cache.parent.stat().st_mtime_ns
    staging.stage(data, tmp_path / "study")
    assert cache.read_text() == "kept"
    assert cache.parent.stat().st_mtime_ns == before


def test_a_changed_data_set_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    one, other = picture(tmp_path, "images/a.jpg"), picture(tmp_path, "images/b.jpg")
    staging.stage(data_of(tmp_path, one, other), tmp_path / "study")
    changed = DataSet(tmp_path / "data.yaml", {0: "hole"}, {"train": (other,)}, {"train": {}}, (), "e" * 64)
    assert list(staged(staging.stage(changed, tmp_path / "study"))) == ["b.jpg"]


def test_a_study_that_was_moved_reads_its_links_from_its_new_place(tmp_path: Path) -> None:
    data = data_of(tmp_path, picture(tmp_path, "images/a.jpg"))
    staging.stage(data, tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    assert yaml.safe_load(staging.stage(data, tmp_path / "new").read_text())["path"] == str(tmp_path / "new")


def test_a_staging_that_was_cut_is_finished(tmp_path: Path) -> None:
    images = [picture(tmp_path, f"images/{number}.jpg") for number in range(3)]
    marker = staging.stage(data_of(tmp_path, *images), tmp_path / "study")
    marker.unlink()
    (tmp_path / "study/images/train/1.jpg").unlink()
    (tmp_path / "study/labels/train/2.txt").write_text("half")
    assert staged(staging.stage(data_of(tmp_path, *images), tmp_path / "study")) == {
        f"{number}.jpg": GOOD + "\n" for number in range(3)
    }


def test_the_fingerprint_follows_images_and_labels(tmp_path: Path) -> None:
    raw = {"train": "images", "names": ["hole"]}

    def fingerprint() -> str:
        return check.check(tmp_path / "data.yaml", raw, splits=("train",)).fingerprint

    image = picture(tmp_path, "images/a.jpg")
    seen = [fingerprint()]
    label_of(image).write_text("0 0.5 0.5 0.3 0.3")
    seen.append(fingerprint())
    pictures.picture(image, seed=1)
    seen.append(fingerprint())
    picture(tmp_path, "images/b.jpg")
    seen.append(fingerprint())
    assert len(set(seen)) == 4
    assert fingerprint() == seen[-1]


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("/d/images/train/a.jpg", "/d/labels/train/a.txt"),
        ("/images/x/images/a.b.png", "/images/x/labels/a.b.txt"),
        ("/d/pictures/a.jpg", "/d/pictures/a.txt"),
        ("/d/images.jpg", "/d/images.txt"),
        ("/d/images/images", "/d/labels/images.txt"),
    ],
)
def test_labels_stand_where_ultralytics_looks_for_them(image: str, label: str) -> None:
    assert label_of(Path(image)) == Path(label)


def test_lines_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    image = picture(tmp_path, "images/a.jpg", labels=f"\n\n{GOOD}\n\n{GOOD}")
    assert [line.number for line in label_lines(image, 1)] == [3, 5]


def test_a_storage_without_links_gets_copies_and_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = data_of(tmp_path, picture(tmp_path, "images/a.jpg"), picture(tmp_path, "images/b.jpg"))
    assert staging.link_replacement(staging.stage(found, tmp_path / "linked")) == ""
    monkeypatch.setattr(os, "symlink", _refuse)
    monkeypatch.setattr(os, "link", _refuse)
    staged = staging.stage(found, tmp_path / "copied")
    assert "does not support symbolic links; the images are staged as copies" in staging.link_replacement(staged)
    assert [path.read_bytes() for path in sorted((staged.parent / "images" / "train").iterdir())] == [
        path.read_bytes() for path in found.images["train"]
    ]


def _refuse(*_given: object, **_more: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_names_that_a_plain_storage_takes_for_one_or_cannot_write_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / "images" / folder).mkdir(parents=True)
    names = [tmp_path / "images" / "a" / "x.jpg", tmp_path / "images" / "b" / "X.jpg"]
    odd = Path(os.fsdecode(os.fsencode(tmp_path / "images" / "a") + b"/b\xfcro.jpg"))
    for path in (*names, odd):
        path.write_bytes(b"image")
    data = DataSet(tmp_path / "data.yaml", {0: "a"}, {"train": (*names, odd)}, {}, (), "digest")
    staged = staging.stage(data, tmp_path / "staged")
    found = {path.name for path in (staged.parent / "images" / "train").iterdir()}
    assert found == {"x.jpg", "X_2.jpg", "b_xfcro.jpg"}


def test_a_staged_tree_is_checked_whole_and_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = data_of(tmp_path, *(picture(tmp_path, f"images/{number}.jpg") for number in range(4)))
    marker = staging.stage(data, tmp_path / "study")
    before, tree = staged(marker), marker.parent
    cache = written(tree, "labels/train.cache", "old")
    (tree / "labels/train/0.txt").write_text("")
    (tree / "images/train/1.jpg").unlink()
    (tree / "images/train/1.jpg").symlink_to("/none.jpg")
    (tree / "images/train/2.jpg").unlink()
    (tree / "images/train/2.jpg").write_bytes(b"another picture")
    (tree / "images/train/9.jpg").symlink_to("/none.jpg")
    caplog.set_level("INFO")
    assert staged(staging.stage(data, tree)) == before
    assert "staged data set repaired: 4 files" in caplog.text
    assert not cache.exists()
    shutil.rmtree(tree / "labels")
    assert staged(staging.stage(data, tree)) == before


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    data = data_of(tmp_path, picture(tmp_path, "images/a.jpg"))
    own = written(tmp_path, "study/labels/train/own.txt", "mine")
    with pytest.raises(StudyError, match=r"must be a folder that automl made, but it has files and no \.made"):
        staging.stage(data, tmp_path / "study")
    assert [path for path in (tmp_path / "study").rglob("*") if path.is_file()] == [own]


def test_somebodys_file_in_a_staged_tree_is_refused_and_left_alone(tmp_path: Path) -> None:
    data = data_of(tmp_path, picture(tmp_path, "images/a.jpg"))
    staging.stage(data, tmp_path / "study")
    own = written(tmp_path, "study/images/train/own.jpg", "mine")
    with pytest.raises(StudyError, match=r"own\.jpg: must not be in"):
        staging.stage(replace(data, fingerprint="e" * 64), tmp_path / "study")
    assert own.read_text() == "mine"


def test_a_part_of_a_staged_tree_that_is_a_link_is_refused(tmp_path: Path) -> None:
    data = data_of(tmp_path, picture(tmp_path, "images/a.jpg"))
    tree = staging.stage(data, tmp_path / "study").parent
    outside = (tree / "labels/train").rename(tmp_path / "outside")
    own = written(outside, "own.txt", "mine")
    (tree / "labels/train").symlink_to(outside)
    with pytest.raises(StudyError, match="labels/train: must be a folder of the study, but is a link to"):
        staging.stage(replace(data, fingerprint="e" * 64), tree)
    assert own.read_text() == "mine"


def test_a_tree_that_an_earlier_version_staged_is_taken(tmp_path: Path) -> None:
    data = data_of(tmp_path, picture(tmp_path, "images/a.jpg"), picture(tmp_path, "images/b.jpg"))
    tree = staging.stage(data, tmp_path / "study").parent
    (tree / ".made-by-automl").unlink()
    fewer = replace(data, images={"train": data.images["train"][:1]}, fingerprint="e" * 64)
    assert list(staged(staging.stage(fewer, tree))) == ["a.jpg"]


def test_a_jpeg_that_ultralytics_would_rewrite_is_staged_with_its_end(tmp_path: Path) -> None:
    image = tmp_path / "images/a.jpg"
    image.parent.mkdir()
    image.write_bytes(pictures.encoded(pictures.noise(0), "JPEG") + b"film")
    tree = staging.stage(data_of(tmp_path, image), tmp_path / "study").parent
    copy = tree / "images/train/a.jpg"
    assert copy.read_bytes() == image.read_bytes() + b"\xff\xd9"
    before = copy.stat().st_mtime_ns
    staging.stage(data_of(tmp_path, image), tmp_path / "study")
    assert copy.stat().st_mtime_ns == before


def test_copies_on_a_storage_without_links_are_checked_by_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(tmp_path, picture(tmp_path, "images/a.jpg"))
    monkeypatch.setattr(os, "symlink", _refuse)
    monkeypatch.setattr(os, "link", _refuse)
    copy = staging.stage(data, tmp_path / "study").parent / "images/train/a.jpg"
    content = copy.read_bytes()
    copy.write_bytes(flipped(content, -1))
    staging.stage(data, tmp_path / "study")
    assert copy.read_bytes() == content


def test_images_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    image = picture(tmp_path, "mount/images/a.jpg")
    marker = staging.stage(data_of(tmp_path, image), tmp_path / "study")
    assert staging.away(marker) == []
    (tmp_path / "mount").rename(tmp_path / "away")
    assert staging.away(marker) == [tmp_path / "study/images/train/a.jpg"]
