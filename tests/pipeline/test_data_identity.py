"""The data set of a study that has begun: changes are told by name, damage to what the study keeps is mended."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from automl.data import sample
from automl.data.identity import fingerprint_of_format_1
from automl.pipeline import data_identity
from automl.pipeline.session import opened
from automl.storage.journal import Journal
from automl.storage.layout import DATA, DATA_FILES, DATA_YAML, DATASET
from automl.storage.place import Place
from automl.study.errors import StudyError
from tests.builders import METRIC, spec_of, written
from tests.damage import flipped
from tests.pictures import picture


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return sample.draw(tmp_path / "mine", splits={"train": 4, "val": 3, "test": 3})


@pytest.fixture
def study(tmp_path: Path, data: Path) -> Path:
    """The folder of a study that has begun."""
    session(data)
    return tmp_path / "storage/runs/small"


def session(data: Path) -> str:
    """Open the study and return its log."""
    place = Place(data.parents[1] / "storage")
    with opened(spec_of(data=str(data)), place, console=Console(quiet=True)) as found:
        return (found.folder / "study.log").read_text()


def refused(data: Path) -> str:
    with pytest.raises(StudyError, match="must be the data set with which the study began") as caught:
        session(data)
    return str(caught.value)


def exchange_names(root: Path) -> None:
    text = (root / "data.yaml").read_text()
    (root / "data.yaml").write_text(text.replace("0: hole", "0: spot").replace("2: spot", "2: hole"))


def add_a_name(root: Path) -> None:
    (root / "data.yaml").write_text((root / "data.yaml").read_text() + "  3: dent\n")


def overwrite(root: Path) -> None:
    for name in ("0000", "0001"):
        path = root / "images/train" / f"{name}.jpg"
        content = path.read_bytes()
        path.write_bytes(flipped(content, -4))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (exchange_names, "names: class 0 was 'hole' and is 'spot'; class 2 was 'spot' and is 'hole'"),
        (add_a_name, "names: class 3 was absent and is 'dent'"),
        (overwrite, "train: 2 images have other content: 0000.jpg, 0001.jpg"),
        (lambda root: (root / "images/val/0001.jpg").unlink(), "val: 1 images are gone: 0001.jpg"),
        (lambda root: picture(root / "images/val/x.jpg"), "val: 1 images are new: x.jpg"),
        (lambda root: written(root, "labels/test/0000.txt", ""), "test: 1 label files changed: 0000.jpg"),
    ],
)
@pytest.mark.usefixtures("study")
def test_a_change_that_makes_trials_incomparable_is_refused_by_name(
    data: Path, change: Callable[[Path], object], told: str
) -> None:
    change(data.parent)
    assert told in refused(data)


@pytest.mark.usefixtures("study")
def test_a_data_set_that_was_moved_behind_a_link_or_touched_is_the_same(data: Path) -> None:
    for path in data.parent.rglob("*.*"):
        path.touch()
    data.parent.rename(data.parent.with_name("elsewhere"))
    data.parent.symlink_to(data.parent.with_name("elsewhere"))
    session(data)


def test_a_staged_tree_that_was_deleted_does_not_hide_a_change(data: Path, study: Path) -> None:
    shutil.rmtree(study / DATA)
    session(data)
    assert len(list((study / DATA / "images/train").iterdir())) == 4
    shutil.rmtree(study / DATA)
    (study / DATASET).unlink()
    written(data.parent, "labels/train/0000.txt", "")
    assert "train: 1 label files changed: 0000.jpg" in refused(data)
    (study / DATA_FILES).unlink()
    assert "which ones is not known" in refused(data)


def test_a_staged_tree_that_was_damaged_is_mended_and_told(data: Path, study: Path) -> None:
    (study / DATA / "labels/train/0001.txt").write_text("")
    assert f"staged data set repaired: 1 files of {study / DATA} had changed: labels/train/0001.txt" in session(data)


def test_a_damaged_record_is_written_again(data: Path, study: Path) -> None:
    before = (study / DATA_FILES).read_bytes()
    (study / DATA_FILES).write_bytes(b"\xff")
    session(data)
    assert (study / DATA_FILES).read_bytes() == before


def earlier(data: Path, study: Path) -> None:
    """Let a study look as an earlier version left it: no record, a fingerprint of sizes in the staged tree."""
    place = Place(data.parents[1] / "storage")
    with opened(spec_of(data=str(data)), place, console=Console(quiet=True)) as found:
        fingerprint = fingerprint_of_format_1(found.data.listed, keypoints=0)
    marker = study / DATA / DATA_YAML
    marker.write_text(f"# {fingerprint}\n" + marker.read_text().partition("\n")[2])
    for path in (study / DATA_FILES, study / DATASET, study / "journal.log", study / DATA / ".made-by-automl"):
        path.unlink()
    Journal.create(study, name="small", metric=METRIC)


def test_a_study_of_an_earlier_version_goes_on_and_gets_a_record(data: Path, study: Path) -> None:
    earlier(data, study)
    session(data)
    assert (study / DATA_FILES).is_file()
    assert data_identity.NOTE in Journal.read(study, metric=METRIC).notes()


def test_a_change_under_a_study_of_an_earlier_version_is_refused(data: Path, study: Path) -> None:
    earlier(data, study)
    written(data.parent, "labels/train/0000.txt", "")
    assert "which ones is not known" in refused(data)


def test_a_study_of_an_earlier_version_of_which_nothing_is_known_says_so(data: Path, study: Path) -> None:
    earlier(data, study)
    shutil.rmtree(study / DATA)
    assert "nothing tells the data set that the study began with" in session(data)
