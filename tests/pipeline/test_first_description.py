"""`automl init`: what a first description follows from, and that it passes the check."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner, Result

from automl.apps import api
from automl.apps.cli import app
from automl.data import sample
from automl.data.summary import Summary
from automl.pipeline import first_description, time_forecast
from automl.pipeline.first_description import Traits, described, image_size
from automl.pipeline.time_forecast import TimeForecast
from automl.study.schema import schema
from automl.study.yaml_io import read_yaml
from tests.conftest import MICRO


def traits(*, smallest: float = 0.05, long_side: int | None = 2000, images: int = 1000, test: bool = True) -> Traits:
    sizes = (smallest, 2 * smallest, 3 * smallest)
    return Traits(Summary("x", images, 3, 2.0, sizes, (0.5, 1.0, 2.0), 1.0, long_side), long_side, has_test=test)


@pytest.mark.parametrize(
    ("smallest", "long_side", "size"),
    [
        (0.05, 2000, 640), (0.025, 2000, 640), (0.02, 2000, 800), (0.005, 4000, 1280), (0.005, 1000, 1024),
        (0.5, 2000, 640), (0.05, 128, 128), (0.05, 100, 128), (0.02, None, 800),
    ],
)  # fmt: skip
def test_the_image_size_follows_from_the_small_boxes_and_ends_at_that_of_the_images(
    smallest: float, long_side: int | None, size: int
) -> None:
    assert image_size(traits(smallest=smallest, long_side=long_side)) == size


@pytest.mark.parametrize("has_test", [True, False])
@pytest.mark.parametrize("gpu", [True, False])
@pytest.mark.parametrize("model", ["weights.pt", None])
def test_every_variant_obeys_the_schema(*, has_test: bool, gpu: bool, model: str | None, tmp_path: Path) -> None:
    path = tmp_path / "first.yaml"
    path.write_text(described(traits(test=has_test), "sample", model=model, gpu=gpu))
    assert [*Draft202012Validator(schema()).iter_errors(read_yaml(path))] == []
    assert max(map(len, path.read_text().splitlines())) <= 120


@pytest.mark.parametrize(("ratio", "searched"), [(1.0, False), (2.9, False), (3.0, True), (80.0, True)])
def test_class_weights_are_searched_where_classes_are_uneven(*, ratio: float, searched: bool, tmp_path: Path) -> None:
    path = tmp_path / "first.yaml"
    path.write_text(described(replace(traits(), class_ratio=ratio), "sample", model=None, gpu=False))
    assert ("cls_pw" in read_yaml(path)["space"]) is searched
    comment = " ".join(path.read_text().replace("# ", "").split())
    assert f"cls_pw, since the most frequent class has {ratio:.3g} times" in comment


@pytest.mark.parametrize("gpu", [True, False])
def test_values_follow_from_data_and_machine(*, gpu: bool, tmp_path: Path) -> None:
    path = tmp_path / "first.yaml"
    path.write_text(described(traits(test=False, images=60), "/data/pcb 2/data.yaml", model=None, gpu=gpu))
    found = read_yaml(path)
    assert (found["name"], found["data"], found["model"]) == ("pcb-2", "/data/pcb 2/data.yaml", "yolo11n.yaml")
    assert found["confirm"] == {"split": "val"}
    assert found["train"]["batch"] == 4
    assert found["ladder"]["max_epochs"] == (100 if gpu else 30)


def init(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


@pytest.fixture
def nothing_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_forecast, "forecast", lambda _spec, _data: TimeForecast("not measured here"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return sample.draw(tmp_path / "my set", splits={"train": 6, "val": 4})


@pytest.mark.yolo
@pytest.mark.usefixtures("nothing_timed")
def test_the_file_passes_the_check_and_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "first.yaml"
    done = init(data, "--out", out, "--model", MICRO)
    assert done.exit_code == 0, done.output
    found = api.check(out, storage=tmp_path)
    assert (found.study, found.model, found.splits["val"].images) == ("my-set", str(MICRO), 4)
    text = out.read_text()
    assert "# time: could not be measured on this machine: not measured here\n" in text
    assert "train: {imgsz: 128, batch: 4, close_mosaic: 10}\n" in text

    out.write_text("mine")
    refused = init(data, "--out", out)
    assert (refused.exit_code, out.read_text()) == (2, "mine")
    assert "must be a new file, but exists; choose another name, or pass --force to replace it" in refused.stderr
    assert init(data, "--out", out, "--model", MICRO, "--force").exit_code == 0
    assert out.read_text() == text


@pytest.mark.yolo
@pytest.mark.usefixtures("nothing_timed")
def test_without_a_name_it_is_that_of_the_data_set_and_weights_are_found(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = init(data)
    assert done.exit_code == 0, done.output
    assert "no pretrained weights were found" in done.stdout
    assert "model: yolo11n.yaml\n" in (tmp_path / "my-set.yaml").read_text()
    (tmp_path / "yolo11n.pt").touch()
    assert first_description.found_weights(tmp_path) == str(tmp_path / "yolo11n.pt")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere/data.yaml"], "data.yaml: must be a readable file, but No such file or directory"),
        (["DATA", "--model", "none.pt"], "automl: --model: must be an existing file"),
        (
            ["DATA", "--out", "none/first.yaml"],
            "none/first.yaml: must be a file in a folder that exists and is writable",
        ),
    ],
)
@pytest.mark.yolo
@pytest.mark.usefixtures("nothing_timed")
def test_a_mistake_is_one_message_and_writes_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = init(*(str(data) if word == "DATA" else word for word in arguments))
    assert done.exit_code == 2
    assert told in done.stderr
    assert [*tmp_path.glob("*.yaml")] == []


def test_the_schema_is_printed_and_written_once(tmp_path: Path) -> None:
    out = tmp_path / "schema.json"
    assert CliRunner().invoke(app, ["schema", "--out", str(out)]).exit_code == 0
    assert CliRunner().invoke(app, ["schema"]).stdout == out.read_text()
    assert CliRunner().invoke(app, ["schema", "--out", str(out)]).exit_code == 2


@pytest.mark.yolo
@pytest.mark.usefixtures("nothing_timed")
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_folder_or_an_archive_is_taken_and_gives_the_name(data: Path, tmp_path: Path, kind: str) -> None:
    given = data.parent
    if kind == "archive":
        given = Path(shutil.make_archive(str(tmp_path / "my set"), "zip", data.parent))
    out = tmp_path / "first.yaml"
    done = init(given, "--out", out, "--model", MICRO)
    assert done.exit_code == 0, done.output
    assert (read_yaml(out)["name"], read_yaml(out)["data"]) == ("my-set", str(data if kind == "folder" else given))


@pytest.mark.parametrize(
    ("name", "file"), [("set.v1/data.yaml", "set.v1.yaml"), ("pcb.tar.gz", "pcb.yaml"), (".", "x.yaml")]
)
def test_the_name_is_that_of_the_folder_or_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    assert first_description.file_name(name) == file


@pytest.mark.yolo
def test_a_test_split_that_cannot_be_used_gives_way_to_val(data: Path) -> None:
    assert not first_description.traits_of(str(data)).has_test
    data.write_text(data.read_text() + "test: images/none\n")
    assert not first_description.traits_of(str(data)).has_test
    data.write_text(data.read_text().replace("images/none", "images/val"))
    assert first_description.traits_of(str(data)).has_test
