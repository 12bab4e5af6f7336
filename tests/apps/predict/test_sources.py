"""Files to read are found by suffix at any depth; files to write are new, unless the user says otherwise."""

from pathlib import Path

import pytest

from automl.apps.predict.sources import found, refuse_targets
from automl.study.errors import AutomlError, StudyError
from tests import detectors
from tests.builders import written


def test_images_and_videos_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "sub/c.mp4", "notes.txt", ".hidden/d.png", "out/e.png"):
        written(tmp_path, name, name)
    assert [source.name for source in found(tmp_path, out=tmp_path / "out")] == ["a.jpg", "b.PNG", "sub/c.mp4"]


@pytest.mark.parametrize(
    ("name", "law"),
    [("none", "but does not exist"), ("a.txt", "but is none"), ("folder", "but has none")],
)
def test_a_path_without_images_is_told(tmp_path: Path, name: str, law: str) -> None:
    written(tmp_path, "a.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StudyError, match=rf"{name}: must be an image, a video or a folder with some .*{law}"):
        found(tmp_path / name)


def test_a_file_that_exists_is_replaced_only_if_asked(tmp_path: Path) -> None:
    sources = found(written(tmp_path, "in/a.jpg", "x"))
    out = tmp_path / "out"
    refuse_targets(sources, out, force=False)
    written(out, "a.jpg", "kept")
    with pytest.raises(
        StudyError, match=r"out: must not have the files that will be written, but has a\.jpg; .*--force"
    ):
        refuse_targets(sources, out, force=False)
    refuse_targets(sources, out, force=True)


def test_a_file_that_is_read_is_never_replaced(tmp_path: Path) -> None:
    sources = found(written(tmp_path, "in/a.jpg", "x"))
    (tmp_path / "out").symlink_to(tmp_path / "in")
    for out in (tmp_path / "in", tmp_path / "out"):
        with pytest.raises(StudyError, match="must not be a file that is read, but is one"):
            refuse_targets(sources, out, force=True)


def test_nothing_is_written_into_a_registry_or_over_a_file(tmp_path: Path) -> None:
    sources = found(written(tmp_path, "in/a.jpg", "x"))
    with pytest.raises(AutomlError, match="must be outside of a registry"):
        refuse_targets(sources, detectors.registered(tmp_path, 1.0).folder / "out", force=True)
    with pytest.raises(StudyError, match="must be a folder, but is a file"):
        refuse_targets(sources, written(tmp_path, "taken", "x"), force=True)
