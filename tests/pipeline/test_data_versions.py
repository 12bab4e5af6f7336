"""A data set grows by versions: one takes pictures until the description that trains on it closes it."""

import shutil
from pathlib import Path

import pytest

from automl.apps import field, labels
from automl.data.labelling.boxes import LabelBox
from automl.data.labelling.store import NONE
from automl.pipeline import data_versions
from automl.storage.layout import SPEC
from automl.storage.place import Place, read_spec
from automl.study.errors import StudyError
from automl.study.load import dump, load
from automl.study.yaml_io import read_yaml
from automl.trainers import trainer_of
from tests.builders import spec_of, written
from tests.data.labelling.stores import store_in
from tests.pictures import picture

BOX = LabelBox(0, 0.4, 0.3, 0.6, 0.7)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return the folder of a study on a data set outside the storage."""
    source = store_in(tmp_path / "set").source
    spec = spec_of(name="parts", data=str(source))
    return written(tmp_path / "storage/runs/parts", SPEC, dump(spec)).parent


def sent(tmp_path: Path, *names: str) -> list[Path]:
    for name in names:
        picture(tmp_path / f"sent/{name}.png")
    return [tmp_path / "sent"]


def label_all(data: Path, *, but: int = 0) -> None:
    store = labels.store_at(data)
    for key in labels.unlabelled(store)[but:]:
        if "waiting" in key:
            store.save(key, [BOX], version=NONE, by="Ada")


def test_the_loop_from_pictures_to_the_description_that_trains_again(tmp_path: Path, study: Path) -> None:
    storage = tmp_path / "storage"
    with pytest.raises(StudyError, match="must have pictures from the field, but has none"):
        field.ready(study, storage=storage, by="Ada")
    state = field.update(study, sent(tmp_path, "a", "b", "c"), storage=storage)
    assert (state.champion, state.version, state.new, state.proposed, state.waiting) == ("parts", 2, 3, 0, 3)
    with pytest.raises(StudyError, match="must have a labelled picture, but all wait"):
        field.ready(study, storage=storage, by="Ada")
    label_all(state.data, but=1)
    again = field.update(study, sent(tmp_path, "d"), storage=storage)
    assert (again.version, again.new, again.known, again.waiting, again.labelled) == (2, 1, 3, 2, 2)
    made = field.ready(study, storage=storage, by="Ada")
    assert (sum(made.images.values()), made.waiting) == (2, 2)
    assert made.notes == ("starts from the model of the last study",)
    raw = read_yaml(made.data)
    assert raw["train"] == [str(tmp_path / "set/images/train"), "images/train"]
    plain = read_yaml(made.description)
    assert (plain["name"], plain["champion"], plain["data"]) == ("parts-v2", "parts", str(made.data))
    assert plain["confirm"]["earlier_data"] == [str(tmp_path / "set/data.yaml")]
    assert plain["warm_start"] == ["runs/parts"]


def test_pictures_that_still_wait_go_on_into_the_next_version(tmp_path: Path, study: Path) -> None:
    storage = tmp_path / "storage"
    first = field.update(study, sent(tmp_path, "a", "b"), storage=storage)
    label_all(first.data, but=1)
    field.ready(study, storage=storage, by="Ada")
    with pytest.raises(StudyError, match=r"study\.yaml: version 2 is closed; automl search"):
        field.ready(study, storage=storage, by="Ada")
    state = field.update(study, sent(tmp_path, "a", "b"), storage=storage)
    assert (state.version, state.new, state.known, state.waiting) == (3, 0, 2, 1)
    spec = read_spec(study)
    version = data_versions.last_version(Place(storage), spec)
    assert version.earlier == (tmp_path / "set/data.yaml", first.data)
    raw = read_yaml(version.data)
    assert raw["train"] == [str(tmp_path / "set/images/train"), "../2/images/train", "images/train"]
    assert labels.status(labels.store_at(version.data)).images["train"] == {
        "unlabelled": 0, "background": 1, "labelled": 2,
    }  # fmt: skip


def test_a_study_that_trained_on_a_version_continues_the_loop(tmp_path: Path, study: Path) -> None:
    storage = tmp_path / "storage"
    label_all(field.update(study, sent(tmp_path, "a"), storage=storage).data)
    made = field.ready(study, storage=storage, by="Ada")
    second = load(made.description, rules=trainer_of(), overrides={"model": "yolo11n.yaml"})
    written(storage / "runs/parts-v2", SPEC, dump(second))
    assert field.update(storage / "runs/parts-v2", sent(tmp_path, "b"), storage=storage).version == 3


def test_a_copy_of_a_version_is_none(tmp_path: Path, study: Path) -> None:
    storage = tmp_path / "storage"
    field.update(study, sent(tmp_path, "a"), storage=storage)
    version = data_versions.last_version(Place(storage), read_spec(study))
    shutil.copytree(version.folder, version.folder.with_name("2.bak"))
    assert data_versions.last_version(Place(storage), read_spec(study)) == version
