"""Inputs of a study: its data set in any form, and laws that need the data."""

import shutil
from pathlib import Path

import pytest

from automl.data import sample
from automl.pipeline.inputs import check_data, prepare_data
from automl.study.errors import DataError
from automl.study.spec import StudySpec
from tests.builders import SPEC, spec_of
from tests.data.test_check import drawn

COPY_PASTE = {"copy_paste": {"low": 0.0, "high": 1.0, "default": 0.0}}
POLYGON = "0 0.1 0.1 0.3 0.1 0.3 0.2\n"


def spec_with(place: Path) -> StudySpec:
    return spec_of(data=str(place), space={**SPEC["space"], **COPY_PASTE}, confirm={"split": "val"})


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_data_may_be_a_folder_or_an_archive(tmp_path: Path, kind: str) -> None:
    sample.draw(tmp_path / "drawn", splits={"train": 4, "val": 2})
    place = tmp_path / "drawn"
    if kind == "archive":
        place = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "drawn"))
    spec = spec_of(data=str(place), confirm={"split": "val"})
    data, staged = prepare_data(spec, tmp_path / "study")
    assert {split: len(images) for split, images in data.images.items()} == {"train": 4, "val": 2}
    assert len(list((staged.parent / "images/train").iterdir())) == 4


def test_copy_paste_is_searched_on_polygons_alone(tmp_path: Path) -> None:
    for split in ("train", "val"):
        drawn(tmp_path, split=split, labels=POLYGON)
    source = tmp_path / "data.yaml"
    source.write_text("train: images/train\nval: images/val\nnames: [hole]\n")
    assert check_data(spec_with(source), source, unpacked=tmp_path / "unpacked").polygons == {"train", "val"}
    drawn(tmp_path, labels="0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError, match=r"labels of train must all be polygons, since space\.copy_paste has no effect"):
        check_data(spec_with(source), source, unpacked=tmp_path / "unpacked")
