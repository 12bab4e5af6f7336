"""Data sets of a storage: names and places that a page may use, and the report with its grade."""

import os
from pathlib import Path

import pytest

from automl.apps import data_sets
from automl.data import sample
from automl.study.errors import DataError
from automl.study.load import dump
from tests.builders import spec_of, written


def test_a_place_outside_the_allowed_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/link").symlink_to("/etc")
    assert data_sets.inside(tmp_path / "data", [tmp_path]) == (tmp_path / "data").resolve()
    for path in ("/etc", tmp_path / "data/../..", tmp_path / "data/link/passwd", "~"):
        with pytest.raises(DataError, match="must be below an allowed folder"):
            data_sets.inside(Path(path), [tmp_path / "data"])


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a b", "-a", "a" * 65])
def test_a_name_is_one_of_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="the name must be 1 to 64 letters"):
        data_sets.target(tmp_path, name)


def test_data_sets_are_listed_and_graded(tmp_path: Path) -> None:
    source = sample.draw(data_sets.target(tmp_path, "parts"), splits={"train": 4, "val": 3})
    version = written(tmp_path / "field/boards/2", "data.yaml", "")
    assert data_sets.listed(tmp_path) == [source, version]
    page = tmp_path / "page/report.html"
    report = data_sets.report_on(source, page)
    assert report
    assert report.grade in {"C", "D"}
    assert page.is_file()


def test_the_studies_on_a_data_set_are_found_the_last_begun_first(tmp_path: Path) -> None:
    source = sample.draw(data_sets.target(tmp_path, "parts"), splits={"train": 2, "val": 2})
    other = sample.draw(data_sets.target(tmp_path, "others"), splits={"train": 2, "val": 2})
    for at, (name, data) in enumerate((("b", source), ("a", source), ("c", other))):
        described = written(tmp_path / "runs" / name, "study.yaml", dump(spec_of(name=name, data=str(data))))
        os.utime(described, (at, at))
    written(tmp_path / "runs/damaged", "study.yaml", "no: study\n")
    assert [folder.name for folder in data_sets.trained_on(tmp_path, source)] == ["a", "b"]
    assert data_sets.keys(tmp_path) == {"data/others": other, "data/parts": source}


@pytest.mark.parametrize("split", ["70,30", "a,b,c", "70,15,16", "70;15;15"])
def test_an_odd_split_is_refused(tmp_path: Path, split: str) -> None:
    with pytest.raises(DataError, match="--split: must be"):
        data_sets.import_source(tmp_path, tmp_path / "out", split=split)
