"""`automl export`: the suffix says what is written, nothing is overwritten, a registry is never written into."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from automl.apps import export_target
from automl.apps.cli import app
from automl.release import tensorrt_builder
from automl.storage.registry import Registry
from automl.study.errors import ExportError
from tests.builders import written


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a registry with a champion."""
    held = Registry(tmp_path / "models", "boards")
    files = {name: written(tmp_path, name, f"content of {name}") for name in ("best.pt", "model.onnx")}
    held.promote(held.publish(files, {}), why="test")
    return held.folder


@pytest.fixture(autouse=True)
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(exported: Path, target: Path, *, wanted: str) -> str:
        target.write_text(f"plan of {exported.name}")
        return f"{wanted} 1"

    monkeypatch.setattr(tensorrt_builder, "build_plan", build)


def export(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.onnx", "content of model.onnx", "x.onnx: model.onnx of version 1"),
        ("x.pt", "content of best.pt", "x.pt: best.pt of version 1"),
        ("x.engine", "plan of model.onnx", "x.engine: built by auto 1"),
    ],
)
def test_the_suffix_says_what_is_written(model: Path, tmp_path: Path, name: str, content: str, said: str) -> None:
    target = tmp_path / "out" / name
    target.parent.mkdir()
    found = export(model, target)
    assert (found.exit_code, found.stdout.strip()) == (0, f"{target.parent}/{said}")
    assert target.read_text() == content


@pytest.mark.parametrize("name", ["x.yaml", "x", ".onnx", "x.onnx.bak", "x.ONNX", "data.yaml"])
def test_another_suffix_is_refused_with_the_three_named(model: Path, tmp_path: Path, name: str) -> None:
    found = export(model, tmp_path / name, "--force")
    assert found.exit_code == 2
    ends = ".onnx, .engine, .pt, .mlpackage, .tflite, _ncnn_model, _rknn_model"
    assert f"{tmp_path / name}: must end in {ends}, which selects the format" in found.stderr
    assert not (tmp_path / name).exists()


def test_an_engine_is_never_written_into_another_file(model: Path, tmp_path: Path) -> None:
    found = export(model, tmp_path / "x.onnx", "--engine", "tensorrt_rtx")
    assert found.exit_code == 2
    assert "must end in .engine to be built by tensorrt_rtx, but ends in .onnx" in found.stderr


@pytest.mark.parametrize("suffix", [".onnx", ".engine", ".pt"])
def test_a_file_that_is_there_is_replaced_only_by_force(model: Path, tmp_path: Path, suffix: str) -> None:
    target = written(tmp_path, f"mine{suffix}", "mine")
    found = export(model, target)
    assert found.exit_code == 2
    assert "must be a new file, but exists; choose another name, or pass --force to replace it" in found.stderr
    assert target.read_text() == "mine"
    assert export(model, target, "--force").exit_code == 0
    assert target.read_text() != "mine"


@pytest.mark.parametrize("place", ["versions/0001/model.onnx", "versions/0001/new.onnx", "new.pt", "versions/new.pt"])
def test_a_target_inside_a_registry_is_refused_even_by_force(model: Path, place: str) -> None:
    before = sorted(model.rglob("*"))
    found = export(model, model / place, "--force")
    assert found.exit_code == 2
    assert f"must be outside of a registry, but is in {model}" in found.stderr
    assert sorted(model.rglob("*")) == before


def test_a_link_into_a_registry_or_to_nowhere_is_no_way_round(model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.onnx"
    link.symlink_to(model / "versions" / "0001" / "model.onnx")
    with pytest.raises(ExportError, match="must be outside of a registry"):
        export_target.refuse(link, builder="auto", force=True)
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ExportError, match="must be a new file"):
        export_target.refuse(link, builder="auto", force=False)


def test_a_folder_is_no_target(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pt").mkdir()
    found = export(model, tmp_path / "x.pt", "--force")
    assert found.exit_code == 2
    assert "x.pt: must be a file, but is a folder" in found.stderr


def test_a_version_without_the_file_is_told(tmp_path: Path) -> None:
    held = Registry(tmp_path / "models", "old")
    held.promote(held.publish({"best.pt": written(tmp_path, "best.pt", "x")}, {}), why="test")
    found = export(held.folder, tmp_path / "x.onnx")
    assert found.exit_code == 2
    assert "versions/0001: must contain model.onnx to write" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "law"),
    [
        (["x.onnx", "--imgsz", "480x650"], r"--imgsz: must be HEIGHTxWIDTH or an edge, in multiples of 32, but got"),
        (["x.pt", "--dynamic"], r"must end in .onnx for --imgsz and --dynamic, but ends in '.pt'"),
        (["x.tflite", "--dynamic"], r"--dynamic: must be for an .onnx file"),
        (["x_ncnn_model", "--imgsz", "64", "--chip", "rk3588"], r"--chip: must be for a folder that ends in _rknn_m"),
        (["x.onnx", "--dynamic"], r"evaluation.json: must be the record of the evaluation"),
    ],
)
def test_options_that_do_not_fit_the_target_are_refused(
    model: Path, tmp_path: Path, arguments: list[str], law: str
) -> None:
    found = export(model, tmp_path / arguments[0], *arguments[1:])
    assert found.exit_code == 2
    assert law in found.stderr
    assert not (tmp_path / arguments[0]).exists()


@pytest.mark.parametrize(("name", "package"), [("x_rknn_model", "rknn-toolkit2"), ("x.mlpackage", "coremltools")])
def test_a_format_whose_packages_are_not_there_names_them(
    model: Path, tmp_path: Path, name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl.trainers.yolo.formats.find_spec", lambda _module: None)
    found = export(model, tmp_path / name, "--imgsz", "64")
    assert found.exit_code == 2
    assert f"needs {package}" in found.stderr
    assert "which this environment lacks; pip install" in found.stderr
