"""Nothing of a study is written outside its storage, whatever stands in a description or in the storage."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from automl.data import sample
from automl.pipeline.inputs import adopt
from automl.pipeline.session import opened
from automl.storage import symlinks
from automl.storage.place import Place
from automl.study import Params
from automl.study.errors import SpecError, StudyError
from automl.study.load import dump, load, stored
from automl.study.text import trial_name
from automl.trials.jobs import RunContext
from tests.builders import FakeRules, spec_of, trial_of, written
from tests.study.test_load import TEXT

PATHS = ["../escape", "/tmp/escape", "a/b", "..", ".", "", "a\\b", "a\0b", "~", ".hidden", "x" * 65, "a\nb"]


@pytest.mark.parametrize("key", ["name", "champion"])
@pytest.mark.parametrize("value", PATHS)
def test_a_name_that_is_a_path_is_refused(tmp_path: Path, key: str, value: str) -> None:
    path = written(tmp_path, "spec.yaml", TEXT)
    with pytest.raises(SpecError, match=rf"spec.yaml: {key}: must be 1 to 64 letters, digits"):
        load(path, rules=FakeRules(), overrides={key: value})


@pytest.mark.parametrize("key", ["name", "champion"])
@pytest.mark.parametrize("value", ["../escape", "/tmp/escape"])
def test_a_name_that_is_a_path_is_refused_in_a_study_s_own_file_too(tmp_path: Path, key: str, value: str) -> None:
    text = dump(spec_of(champion="boards")).partition("\n")[2]
    old = {"name": "name: small", "champion": "champion: boards"}[key]
    with pytest.raises(SpecError, match=rf"{key}: must be 1 to 64 letters, digits"):
        stored(written(tmp_path, "study.yaml", text.replace(old, f"{key}: {value}")))


@given(
    model=st.text(min_size=1, max_size=300),
    optimizer=st.text(max_size=300),
    rate=st.one_of(st.floats(), st.text(), st.integers(0, 10**6)),
)
def test_whatever_is_searched_a_trial_s_folder_is_one_plain_name(model: str, optimizer: str, rate: float | str) -> None:
    params: Params = {"model": model, "optimizer": optimizer, "lr0": rate}
    name = trial_name(trial_of(7, params=params), "tiny.yaml")
    assert Path(name).name == name
    assert name.startswith("0007_")
    assert name.isascii()
    assert len(name) < 255
    assert not set(name) & set("/\\\0\n *?'\"$")


@pytest.mark.parametrize("odd", ["../../x.pt", "/etc/../x", "a b;c.yaml", "$(id).pt", "-rf", "ü.pt"])
def test_two_odd_values_of_a_choice_make_two_folders(odd: str) -> None:
    names = {trial_name(trial_of(number, params={"model": odd}), "tiny.yaml") for number in range(2)}
    assert len(names) == 2


def opened_at(storage: Path) -> None:
    with opened(spec_of(champion="boards"), Place(storage), console=Console(quiet=True)):
        pass


def linked(name: str) -> Callable[[Path, Path], None]:
    def make(storage: Path, outside: Path) -> None:
        (storage / name).parent.mkdir(parents=True, exist_ok=True)
        (storage / name).symlink_to(outside)

    return make


@pytest.mark.parametrize(
    "name",
    [
        "runs/small", "models/boards", "models/boards/versions", "runs/small/trials", "runs/small/trials/0000_tiny",
        "runs/small/confirm/default_seed1", "runs/small/data", "runs/small/data/images", "runs/small/export",
        "runs/small/journal.log", "runs/small/study.log", "runs/small/study.yaml", "runs/small/models",
    ],
)  # fmt: skip
def test_a_folder_or_file_that_is_a_link_leading_out_is_refused(tmp_path: Path, name: str) -> None:
    storage, outside = tmp_path / "storage", tmp_path / "outside"
    outside.mkdir()
    linked(name)(storage, outside)
    with pytest.raises(StudyError, match=rf"{name}: must not link out of the storage, but is a link to .*outside"):
        opened_at(storage)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "runs/small/trials/0000_micro/log.txt", "runs/small/confirm/default_seed1/curves.csv",
        "runs/small/data/images/train", "runs/small/data/images/train/more", "runs/small/data/labels/train",
        "runs/small/data/labels/train/a.txt", "runs/small/export/model.onnx", "models/boards/versions/0001",
        "models/boards/versions/0001/best.pt", "runs/small/trials/0000_micro/a/b/c",
    ],
)  # fmt: skip
def test_a_link_leading_out_is_refused_at_any_depth(tmp_path: Path, name: str) -> None:
    storage, outside = tmp_path / "storage", tmp_path / "outside"
    outside.mkdir()
    linked(name)(storage, outside)
    with pytest.raises(StudyError, match=rf"{name}: must not link out of the storage, but is a link to .*outside"):
        opened_at(storage)
    assert list(outside.iterdir()) == []


def test_links_to_the_user_s_own_images_are_read_only_and_fine(tmp_path: Path) -> None:
    pictures = tmp_path / "study" / "data" / "images"
    (pictures / "train").mkdir(parents=True)
    (pictures / "train" / "a.jpg").symlink_to(written(tmp_path, "own.jpg", "x"))
    (pictures / "train" / "away.jpg").symlink_to(tmp_path / "mount" / "away.jpg")
    symlinks.check(tmp_path / "study", pictures=pictures)
    (pictures / "all.jpg").symlink_to(tmp_path / "own.jpg")
    with pytest.raises(StudyError, match=r"all\.jpg: must not link out of the storage"):
        symlinks.check(tmp_path / "study", pictures=pictures)


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "storage" / "runs" / "small"
    folder.mkdir(parents=True)
    (folder / "trials").symlink_to(folder / "trials")
    with pytest.raises(StudyError, match="trials: must not link out of the storage"):
        symlinks.check(folder)


@pytest.mark.parametrize("name", ["", "runs", "models"])
def test_the_storage_and_its_two_halves_may_be_links(tmp_path: Path, name: str) -> None:
    storage, outside = tmp_path / "storage", tmp_path / "outside"
    outside.mkdir()
    if name:
        storage.mkdir()
    (storage / name).symlink_to(outside)
    (storage / "runs").mkdir(exist_ok=True)
    folder = storage / "runs" / "small" / "sample"
    sample.draw(folder, splits={"train": 4, "val": 3, "test": 3})
    opened_at(storage)
    assert (storage / "runs" / "small" / "journal.log").is_file()


def test_a_link_that_stays_inside_is_none_of_our_business(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    symlinks.check(tmp_path)


@pytest.mark.parametrize("model", ["../../secret.pt", "link.pt"])
def test_a_model_that_lies_outside_is_not_taken_for_the_study_s_own(tmp_path: Path, model: str) -> None:
    folder = tmp_path / "runs" / "small"
    folder.mkdir(parents=True)
    secret = written(tmp_path, "secret.pt", "outside")
    (folder / "link.pt").symlink_to(secret)
    context = RunContext(folder, spec_of(), folder, gpus=0, threads=1, concurrent=1)
    assert context.absolute(model) == model
    assert adopt(spec_of(model=model), folder).model == model
    assert not (folder / "models").exists()
