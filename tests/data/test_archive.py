"""A folder or an archive stands for its one data.yaml; other formats are told with the way to convert them."""

import shutil
from pathlib import Path

import pytest

from automl.data.archive import yaml_of
from automl.study.errors import DataError
from tests.builders import written


def test_a_folder_stands_for_its_one_yaml(tmp_path: Path) -> None:
    source = written(tmp_path / "set", "parts.yml", "")
    written(tmp_path / "set/.hidden", "other.yaml", "")
    assert yaml_of(tmp_path / "set", unpacked=tmp_path / "unpacked") == source
    assert yaml_of(source, unpacked=tmp_path / "unpacked") == source
    preferred = written(tmp_path / "set", "data.yaml", "")
    assert yaml_of(tmp_path / "set", unpacked=tmp_path / "unpacked") == preferred


def test_of_several_yamls_one_must_be_named(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        written(tmp_path / "set", name, "")
    with pytest.raises(
        DataError, match=r"must contain one data.yaml, but contains 2 YAML files: a.yaml, b.yaml; pass one of them"
    ):
        yaml_of(tmp_path / "set", unpacked=tmp_path / "unpacked")


@pytest.mark.parametrize("kind", ["zip", "gztar"])
def test_an_archive_is_unpacked_once(tmp_path: Path, kind: str) -> None:
    written(tmp_path / "set/inner", "data.yaml", "names: [a]")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path / "set"))
    found = yaml_of(packed, unpacked=tmp_path / "unpacked")
    assert found == tmp_path / "unpacked/inner/data.yaml"
    found.write_text("kept")
    assert yaml_of(packed, unpacked=tmp_path / "unpacked").read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", '{"info": {}, "images": [], "annotations": []}', "COCO .*convert_coco"),
        ("a.json", '{"version": "5", "flags": {}, "shapes": []}', "LabelMe .*labelme2yolo"),
        ("a.xml", "<annotation><folder/></annotation>", "Pascal VOC .*from_pascal_voc"),
        ("a.xml", '<?xml version="1.0"?>\n<annotations><version/></annotations>', "CVAT .*export the task"),
    ],
)
def test_annotations_in_another_format_are_told_with_the_way_to_convert_them(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    path = written(tmp_path / "set/annotations", name, content)
    for given in (path, tmp_path / "set"):
        with pytest.raises(DataError, match=told):
            yaml_of(given, unpacked=tmp_path / "unpacked")
