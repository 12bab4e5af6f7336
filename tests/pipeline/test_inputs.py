"""Inputs of a study: its data set in any form, and laws that need the data."""

import shutil
from pathlib import Path

import pytest

from automl.data import sample
from automl.pipeline.inputs import check_data, prepare_data
from automl.study.errors import DataError
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
