"""What is known of an image is not decoded again, and a changed image is never taken for the one before."""

import os
import time
from pathlib import Path

import pytest

from automl.data import picture_cache, pictures
from automl.data.picture_cache import Lines, kept_lines, look_at_all
from automl.data.pictures import Picture
from tests.pictures import picture


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the images that are decoded; all files count as settled."""
    names: list[str] = []
    real = pictures.verified

    def watched(path: Path, content: bytes) -> Picture:
        names.append(path.name)
        return real(path, content)

    monkeypatch.setattr(picture_cache, "verified", watched)
    monkeypatch.setattr(picture_cache, "SETTLED_SECONDS", 0.0)
    return names


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    good = [picture(tmp_path / "images" / f"{name}.png", seed=number) for number, name in enumerate("ab")]
    (tmp_path / "images" / "c.png").write_bytes(b"no picture")
    return [*good, tmp_path / "images" / "c.png"]


def test_a_second_check_decodes_nothing_and_finds_the_same(
    images: list[Path], tmp_path: Path, decoded: list[str]
) -> None:
    first = look_at_all(images, cache=tmp_path / "cache")
    assert sorted(decoded) == ["a.png", "b.png", "c.png"]
    assert look_at_all(images, cache=tmp_path / "cache") == first
    assert len(decoded) == 3
    assert first[images[2]].problem == "is not a readable image"


def test_a_changed_image_of_the_same_size_and_time_is_decoded_again(
    images: list[Path], tmp_path: Path, decoded: list[str]
) -> None:
    before = look_at_all(images, cache=tmp_path / "cache")[images[2]]
    held = images[2].stat()
    time.sleep(0.05)  # a file system's clock ticks in milliseconds
    images[2].write_bytes(b"on picture")
    os.utime(images[2], ns=(held.st_atime_ns, held.st_mtime_ns))
    assert look_at_all(images, cache=tmp_path / "cache")[images[2]].digest != before.digest
    assert decoded[3:] == ["c.png"]


def test_an_image_of_the_same_content_is_read_but_not_decoded(
    images: list[Path], tmp_path: Path, decoded: list[str]
) -> None:
    look_at_all(images, cache=tmp_path / "cache")
    os.utime(images[0])
    moved = images[1].rename(images[1].with_name("z.png"))
    look_at_all([images[0], moved, images[2]], cache=tmp_path / "cache")
    assert len(decoded) == 3


def test_a_file_that_was_just_written_is_read_again(images: list[Path], tmp_path: Path) -> None:
    first = look_at_all(images, cache=tmp_path / "cache")
    images[2].write_bytes(b"on picture")
    assert look_at_all(images, cache=tmp_path / "cache")[images[2]].digest != first[images[2]].digest


@pytest.mark.parametrize("cut", [0, 100, -1, None])
def test_a_damaged_cache_is_made_again(images: list[Path], tmp_path: Path, decoded: list[str], cut: int | None) -> None:
    first = look_at_all(images, cache=tmp_path / "cache")
    (file,) = (tmp_path / "cache/images").iterdir()
    content = file.read_bytes()
    file.write_bytes(b"rubbish" if cut is None else content[:cut])
    assert look_at_all(images, cache=tmp_path / "cache") == first
    assert len(decoded) == 6
    look_at_all(images, cache=tmp_path / "cache")
    assert len(decoded) == 6


def test_a_cache_that_cannot_be_written_is_no_failure(images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert len(look_at_all(images, cache=tmp_path / "file")) == 3


def test_a_cache_file_that_was_not_used_for_months_is_deleted(images: list[Path], tmp_path: Path) -> None:
    old = tmp_path / "cache/images/old.npz"
    old.parent.mkdir(parents=True)
    old.touch()
    os.utime(old, (0, 0))
    look_at_all(images, cache=tmp_path / "cache")
    assert not old.exists()


def test_the_cache_is_in_the_folder_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_CACHE", "/a")
    assert picture_cache.default_folder() == Path("/a")
    monkeypatch.setenv("AUTOML_CACHE", "")
    assert picture_cache.default_folder() is None
    monkeypatch.delenv("AUTOML_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert picture_cache.default_folder() == Path("/x/automl")


def test_lines_about_images_are_kept_until_a_content_or_a_path_changes(images: list[Path], tmp_path: Path) -> None:
    made: list[str] = []

    def told(paths: list[Path]) -> list[str]:
        def make() -> list[str]:
            made.append("made")
            return [f"line {len(made)}"]

        return kept_lines({"train": paths}, look_at_all(paths), Lines(make, tmp_path / "cache"))

    assert told(images) == told(images) == ["line 1"]
    (file,) = (tmp_path / "cache/lines").iterdir()
    file.write_text("{")
    assert told(images) == ["line 2"]
    images[2].write_bytes(b"on picture")
    assert told(images) == ["line 3"]
    assert told(images[:2]) == ["line 4"]
    assert kept_lines({}, {}, Lines(lambda: ["a"])) == ["a"]
