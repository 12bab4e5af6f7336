"""Inputs of a study: its data set in any form, and laws that need the data."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from automl.data import sample
from automl.data.record import DataSet
from automl.pipeline import class_weights
from automl.pipeline.inputs import check_data, located, prepare_data, refuse_misfits, setting_warnings, source_of
from automl.pipeline.session import opened
from automl.storage.place import Place
from automl.study.errors import DataError, StudyError
from automl.study.spec import StudySpec
from tests.builders import spec_of, written
from tests.data.test_check import drawn

POLYGON = "0 0.1 0.1 0.3 0.1 0.3 0.2\n"


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_data_may_be_a_folder_or_an_archive(tmp_path: Path, kind: str) -> None:
    sample.draw(tmp_path / "drawn", splits={"train": 4, "val": 2})
    place = tmp_path / "drawn"
    if kind == "archive":
        place = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "drawn"))
    data, staged = prepare_data(str(place), tmp_path / "study", split="val", searched=())
    assert {split: len(images) for split, images in data.images.items()} == {"train": 4, "val": 2}
    assert len(list((staged.parent / "images/train").iterdir())) == 4


def test_the_data_set_of_a_folder_is_named_by_its_yaml(tmp_path: Path) -> None:
    source = sample.draw(tmp_path / "drawn", splits={"train": 2, "val": 2})
    assert source_of(str(source.parent), tmp_path / "study") == source
    assert source_of(str(tmp_path / "away"), tmp_path / "study") == tmp_path / "away"


def test_adopted_model_files_are_found_from_any_working_folder(tmp_path: Path) -> None:
    held = written(tmp_path, "models/abc/own.pt", "weights")
    spec = spec_of(model="models/abc/own.pt", space={"model": {"choices": ["models/abc/own.pt", "yolo11n.yaml"],
                                                              "default": "models/abc/own.pt"}})  # fmt: skip
    found = located(spec, tmp_path)
    assert found.model == str(held)
    assert found.space["model"].choices == [str(held), "yolo11n.yaml"]  # type: ignore[union-attr]


def test_copy_paste_is_searched_on_polygons_alone(tmp_path: Path) -> None:
    for split in ("train", "val"):
        drawn(tmp_path, split=split, labels=POLYGON)
    source = tmp_path / "data.yaml"
    source.write_text("train: images/train\nval: images/val\nnames: [hole]\n")
    searched = {"lr0", "copy_paste"}
    found = check_data(source, unpacked=tmp_path / "unpacked", split="val", searched=searched)
    assert found.polygons == {"train", "val"}
    drawn(tmp_path, labels="0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match=r"labels of train must all be polygons, since space\.copy_paste has no effect"):
        check_data(source, unpacked=tmp_path / "unpacked", split="val", searched=searched)


def test_a_fixed_copy_paste_without_effect_is_a_warning(tmp_path: Path) -> None:
    source = sample.draw(tmp_path / "boxes", splits={"train": 4, "val": 2})
    boxes = check_data(source, unpacked=tmp_path / "unpacked", split="val", searched=())

    assert [*setting_warnings({"copy_paste": 0.0}, boxes)] == []
    (warning,) = setting_warnings({"copy_paste": 0.3}, boxes)
    assert "train.copy_paste: 0.3 has no effect" in warning
    assert [*setting_warnings({"copy_paste": 0.3}, replace(boxes, polygons=frozenset({"train"})))] == []


@pytest.mark.parametrize(
    ("counts", "train", "searched", "told"),
    [
        ({0: 60, 1: 40}, {}, {"cls_pw"}, "space.cls_pw: weights classes by frequency, but the most frequent class"),
        ({0: 60, 1: 20}, {}, {"cls_pw"}, ""),
        ({0: 60, 1: 3, 2: 0}, {}, {"lr0"}, "has 20 times as many boxes as the rarest, and space has no cls_pw"),
        ({0: 60, 1: 3}, {"cls_pw": 0.5}, {"lr0"}, ""),
        ({0: 60, 1: 4}, {}, {"lr0"}, ""),
        ({0: 60}, {}, {"cls_pw"}, "has 1 times as many boxes"),
    ],
)
def test_class_weights_are_searched_where_classes_are_uneven_in_frequency(
    counts: dict[int, int], train: dict[str, object], searched: set[str], told: str
) -> None:
    found = [*class_weights.warnings(counts, train=train, searched=searched)]
    assert [told in warning for warning in found] == ([True] if told else [])


def test_the_warnings_on_settings_contain_those_on_class_weights(tmp_path: Path) -> None:
    source = sample.draw(tmp_path / "boxes", splits={"train": 12, "val": 2})
    found = check_data(source, unpacked=tmp_path / "unpacked", split="val", searched=())
    assert [text[:12] for text in setting_warnings({}, found, searched={"cls_pw"})] == ["space.cls_pw"]


def spec_at(data: Path | str, **train: object) -> StudySpec:
    return spec_of(data=str(data), model="yolo11n.yaml", train=train, confirm={"split": "val"})


def data_at(source: Path) -> DataSet:
    return check_data(source, unpacked=source.parents[1] / "x/unpacked", split="val", searched=())


@pytest.mark.parametrize("kind", ["itself", "its images", "a link to it", "an archive"])
def test_a_data_set_in_the_folder_of_its_study_is_refused_and_stays(tmp_path: Path, kind: str) -> None:
    study = tmp_path / "runs/small"
    source = sample.draw(study / "data", splits={"train": 4, "val": 2})
    if kind == "its images":
        (tmp_path / "mine").mkdir()
        text = f"path: {study / 'data'}\n{source.read_text()}"
        source = source.rename(tmp_path / "mine/data.yaml")
        source.write_text(text)
    elif kind == "a link to it":
        (tmp_path / "link").symlink_to(study / "data")
        source = tmp_path / "link/data.yaml"
    elif kind == "an archive":
        source = Path(shutil.make_archive(str(study / "packed"), "zip", study / "data"))
    before = sorted(path for path in study.rglob("*") if path.is_file())
    with pytest.raises(DataError, match="must not be in the study's own folder"):
        prepare_data(str(source), study, split="val", searched=())
    with pytest.raises(DataError, match="must not be in the study's own folder"):
        check_data(source, unpacked=tmp_path / "x/unpacked", split="val", searched=(), study=study)
    assert sorted(path for path in study.rglob("*") if path.is_file()) == before


def test_a_data_set_in_the_folder_of_its_study_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    source = sample.draw(tmp_path / "runs/small/data", splits={"train": 4, "val": 2})
    before = sorted(tmp_path.rglob("*"))
    with (
        pytest.raises(DataError, match="must not be in the study's own folder"),
        opened(spec_at(source), Place(tmp_path), console=Console(quiet=True)),
    ):
        pass
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("classes", "told"), [([99], "[99]"), ([0, 3], "[3]")])
def test_settings_that_do_not_fit_the_classes_are_refused(tmp_path: Path, classes: list[int], told: str) -> None:
    source = sample.draw(tmp_path / "mine", splits={"train": 4, "val": 2})
    with pytest.raises(DataError, match="must be classes of the data set") as caught:
        refuse_misfits(spec_at(source, classes=classes), data_at(source))
    assert str(caught.value) == f"train.classes: must be classes of the data set, 0 to 2, but got {told}"


@pytest.mark.yolo
@pytest.mark.parametrize(
    ("freeze", "told"),
    [
        (999, "train.freeze: must be less than the 24 layers of yolo11n.yaml"),
        ([500], "train.freeze: must be layers of yolo11n.yaml, 0 to 23, but got [500]"),
        (list(range(24)), "train.freeze: must leave a layer of yolo11n.yaml to train, but got all 24"),
    ],
)
def test_more_layers_than_the_model_has_are_not_frozen(tmp_path: Path, freeze: object, told: str) -> None:
    source = sample.draw(tmp_path / "mine", splits={"train": 4, "val": 2})
    with pytest.raises(DataError, match=r"train\.freeze: must") as caught:
        refuse_misfits(spec_at(source, freeze=freeze), data_at(source))
    assert str(caught.value).startswith(told)
    refuse_misfits(spec_at(source, freeze=10), data_at(source))


def test_an_archive_is_never_unpacked_over_files_of_somebody_else(tmp_path: Path) -> None:
    sample.draw(tmp_path / "drawn", splits={"train": 4, "val": 2})
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "drawn"))
    own = written(tmp_path, "study/unpacked.part/own.txt", "mine")
    with pytest.raises(StudyError, match="must be a folder that automl made"):
        prepare_data(str(archive), tmp_path / "study", split="val", searched=())
    assert own.read_text() == "mine"
