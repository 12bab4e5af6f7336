"""Copies of data sets on the disk of a node: written once, shared, continued after a crash, deleted by the quota."""

import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from automl.data import node_copy
from automl.data.node_copy import COMPLETE, Shelf
from automl.study.text import GB
from automl.study.yaml_io import read_yaml

SIZE = 1000


def staged(root: Path, *, images: int = 6, fingerprint: str = "f1") -> Path:
    """Write what a staged data set looks like; its images are links."""
    for number in range(images):
        for split in ("train", "val"):
            source = root / "source" / f"{split}{number}.jpg"
            source.parent.mkdir(parents=True, exist_ok=True)
            source.write_bytes(bytes(SIZE))
            link = root / "staged" / "images" / split / source.name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
            label = root / "staged" / "labels" / split / f"{source.stem}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("0 0.5 0.5 0.1 0.1\n")
    marker = root / "staged" / "data.yaml"
    lines = f'# {fingerprint}\n# Links to "{root}"\npath: "{root / "staged"}"\ntrain: images/train\nval: images/val\n'
    marker.write_text(lines + "names:\n  0: bolt\n")
    return marker


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are copied, in order."""
    seen: list[Path] = []
    copy = shutil.copyfile

    def noted(source: Path, target: Path) -> None:
        seen.append(source)
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", noted)
    return seen


def use(shelf: Shelf, marker: Path) -> Path:
    with shelf.held(marker, prepare=lambda _yaml: None, say=lambda _text: None) as found:
        assert all(path.stat().st_size for path in node_copy._files(found))
        return found


def test_eight_trainings_that_start_together_read_each_file_once(tmp_path: Path, copied: list[Path]) -> None:
    marker, shelf, prepared = staged(tmp_path), Shelf.of(tmp_path / "cache", gb=1.0), list[Path]()

    def train(_number: int) -> Path:
        with shelf.held(marker, prepare=prepared.append, say=lambda _text: None) as found:
            return found

    with ThreadPoolExecutor(8) as pool:
        places = set(pool.map(train, range(8)))
    assert len(places) == len(prepared) == 1
    assert sorted(copied) == sorted(node_copy._files(marker))
    made = read_yaml(places.pop())
    assert Path(made["path"]).is_relative_to(tmp_path / "cache")
    assert made["names"] == {0: "bolt"}


def test_a_copy_that_was_interrupted_is_continued(tmp_path: Path, copied: list[Path]) -> None:
    marker, shelf = staged(tmp_path), Shelf.of(tmp_path / "cache", gb=1.0)
    folder = use(shelf, marker).parent
    (folder / COMPLETE).unlink()
    victim = next((folder / "images" / "train").iterdir())
    victim.write_bytes(b"half")
    copied.clear()

    use(shelf, marker)

    assert [path.name for path in copied] == [victim.name]


def test_the_longest_unused_copy_makes_room_but_never_one_that_is_held(tmp_path: Path) -> None:
    markers = [staged(tmp_path / name, fingerprint=name) for name in "abc"]
    size = sum(path.stat().st_size for path in node_copy._files(markers[0]))
    shelf = Shelf.of(tmp_path / "cache", gb=2.5 * size / GB)
    first, second = use(shelf, markers[0]), use(shelf, markers[1])
    os.utime(first.parent.with_name(f"{first.parent.name}.lock"), (1, 1))

    with shelf.held(markers[0], prepare=lambda _yaml: None, say=lambda _text: None):
        os.utime(first.parent.with_name(f"{first.parent.name}.lock"), (1, 1))
        use(shelf, markers[2])
    assert first.is_file()
    assert not second.exists()


def test_a_data_set_without_room_is_read_where_it_is_and_says_so(tmp_path: Path) -> None:
    marker, said = staged(tmp_path), list[str]()
    with Shelf.of(tmp_path / "cache", gb=SIZE / GB).held(marker, prepare=lambda _yaml: None, say=said.append) as found:
        assert found == marker
        (lock,) = (tmp_path / "cache").rglob("*.lock")
        with lock.open("a") as others:
            fcntl.flock(others, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody waits for the end of this training
    assert "do not fit" in said[0]


def test_a_local_file_system_is_not_remote(tmp_path: Path) -> None:
    assert not node_copy.is_remote(staged(tmp_path))
