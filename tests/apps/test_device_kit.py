"""Kits for devices: written, built by a process without automl, taken back, and refused where something is wrong."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from automl.apps import device_kit
from automl.apps.device_built import take_back
from automl.release import openvino_models
from automl.storage.registry import Registry
from automl.study import Gates, Target
from automl.study.errors import ExportError, RegistryError
from tests import detectors
from tests.damage import flipped

WITHOUT_AUTOML = (
    "import sys, runpy; sys.modules['automl'] = None; sys.argv = ['build.py']; "
    "runpy.run_path('build.py', run_name='__main__')"
)


def registry(folder: Path, target: Target, *, scale: float = 0.9) -> Registry:
    """Return a registry with a version that contains the artifact of a target and a picture with one object."""
    folder.mkdir(parents=True)
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[16:24, 32:40] = 255
    cv2.imwrite(str(folder / "smoke-0.png"), picture)
    graph = detectors.saved(folder / "model.onnx", scale=scale)
    record = {"inputs": {"target": asdict(target), "gates": asdict(Gates())}, "metadata": {"names": detectors.NAMES}}
    name = f"target-{target.name}"
    (folder / f"{name}.json").write_text(json.dumps(record))
    files = {"model.onnx": graph, "smoke-0.png": folder / "smoke-0.png", f"{name}.json": folder / f"{name}.json"}
    if target.format == "onnx":
        files[f"{name}.onnx"] = graph
    else:
        openvino_models.save(openvino_models.read(graph), folder / f"{name}.xml", half=False)
        files |= {f"{name}{suffix}": folder / f"{name}{suffix}" for suffix in (".xml", ".bin")}
    made = Registry(folder / "models", "boards")
    verdict = {"targets": [{"name": target.name, "gates": []}]}
    made.publish(files, {"promotion.json": verdict}, texts=lambda _: {"CARD.md": "# boards", "CARD.zh.md": "# boards"})
    made.promote(1, why="first")
    return made


def kit_of(registered: Registry, folder: Path, target: str, **wanted: Any) -> Path:
    said = device_kit.write(registered, 1, folder, device_kit.Wanted(target, **wanted))
    assert "run `python build.py` there" in said
    return folder


def built(kit: Path) -> str:
    """Run the script of a kit in a process that cannot import automl; return what it says."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_AUTOML], cwd=kit, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def onnx_kit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, Path]:
    """A registry and a kit that was built, for ONNX Runtime."""
    folder = tmp_path_factory.mktemp("device")
    registered = registry(folder / "made", Target("orin", "onnx", "int8", 0.01, max_latency_ms=1000.0))
    kit = kit_of(registered, folder / "kit", "orin")
    assert "onnxruntime" in built(kit)
    return registered, kit


def test_a_device_without_automl_builds_and_its_result_becomes_a_version(onnx_kit: tuple[Registry, Path]) -> None:
    registered, kit = onnx_kit
    said = take_back(registered, kit)
    assert said.startswith("version 2 of boards: version 1 with target orin by onnxruntime")
    folder = registered.verified(2)
    record = json.loads((folder / "target-orin.json").read_text())
    verdict = json.loads((folder / "promotion.json").read_text())
    assert record["latency_ms"]["p50"] == verdict["targets"][0]["p50_ms"] > 0
    assert record["device"]["from_version"] == 1
    assert [gate["passed"] for gate in verdict["targets"][0]["gates"]] == [True] * 4
    assert "Version 2: target `orin`, built on its device from version 1" in (folder / "CARD.md").read_text()
    assert registered.aliases()["champion"] == 1
    assert registered.aliases()["challenger/orin"] == 2


@pytest.mark.slow
@pytest.mark.skipif(bool(openvino_models.missing()), reason="openvino and nncf are not installed")
def test_an_openvino_target_is_compiled_on_the_device_too(tmp_path: Path) -> None:
    registered = registry(tmp_path / "made", Target("cpu", "openvino", "fp32", 0.01))
    kit = kit_of(registered, tmp_path / "kit", "cpu", images=tmp_path / "made")
    assert "openvino 20" in built(kit)
    assert take_back(registered, kit).startswith("version 2 of boards")


def of_result(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def edit(kit: Path) -> None:
        path = kit / "built" / "result.json"
        plain = json.loads(path.read_text())
        change(plain)
        path.write_text(json.dumps(plain))

    return edit


def bytes_of(name: str) -> Callable[[Path], None]:
    def edit(kit: Path) -> None:
        (kit / name).write_bytes(flipped((kit / name).read_bytes(), 200))

    return edit


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (of_result(lambda plain: plain["latency_ms"].update(p50=0.1)), r"its seal must fit its content"),
        (of_result(lambda plain: plain.pop("seal")), r"its seal must fit its content"),
        (bytes_of("built/outputs.npy"), r"outputs\.npy: SHA-256 must be"),
        (bytes_of("pictures.npy"), r"pictures\.npy: SHA-256 must be"),
        (bytes_of("kit.json"), r"kit\.json: must be readable JSON|must be the result of this kit"),
        (lambda kit: shutil.rmtree(kit / "built"), r"result\.json: is missing; run `python build\.py`"),
    ],
)
def test_a_result_that_was_changed_is_refused(
    onnx_kit: tuple[Registry, Path], tmp_path: Path, edit: Callable[[Path], None], why: str
) -> None:
    registered, kit = onnx_kit
    copied = Path(shutil.copytree(kit, tmp_path / "kit"))
    edit(copied)
    before = registered.versions()
    with pytest.raises(ExportError, match=why):
        take_back(registered, copied)
    assert registered.versions() == before


def resealed(kit: Path, outputs: Any) -> None:
    """Put other outputs into a result, as a device that computes something else would."""
    from automl.release import device_script  # noqa: PLC0415  (a script)

    np.save(kit / "built" / "outputs.npy", outputs)
    path = kit / "built" / "result.json"
    plain = json.loads(path.read_text())
    del plain["seal"]
    plain["files"]["outputs.npy"] = device_script.digest(kit / "built" / "outputs.npy")
    path.write_text(json.dumps({**plain, "seal": device_script.seal(plain)}))


@pytest.mark.parametrize(
    ("factor", "why"),
    [
        (0.7, r"difference of the mean confidence to its graph <= 0\.05 must hold, but got 0\.27"),
        (0.0, r"share of 1 sure boxes on 1 pictures that its graph or the device alone finds <= 0\.02 must hold"),
        (float("nan"), r"the outputs of the device must be finite"),
    ],
)
def test_a_device_that_computes_something_else_is_refused(
    onnx_kit: tuple[Registry, Path], tmp_path: Path, factor: float, why: str
) -> None:
    registered, kit = onnx_kit
    copied = Path(shutil.copytree(kit, tmp_path / "kit"))
    outputs = np.load(copied / "built" / "outputs.npy")
    outputs[:, 4:] *= factor
    resealed(copied, outputs)
    with pytest.raises(ExportError, match=why):
        take_back(registered, copied)


def test_limits_of_the_target_are_judged_by_what_the_device_measured(tmp_path: Path) -> None:
    registered = registry(
        tmp_path / "made", Target("orin", "onnx", "fp16", 0.01, max_latency_ms=1e-6, max_end_to_end_ms=5.0)
    )
    kit = kit_of(registered, tmp_path / "kit", "orin")
    built(kit)
    with pytest.raises(ExportError, match=r"latency_ms <= 1e-06 must hold.*end_to_end_ms <= 5 must hold, but got no"):
        take_back(registered, kit)


def test_a_kit_of_another_model_or_of_other_files_is_refused(onnx_kit: tuple[Registry, Path], tmp_path: Path) -> None:
    _, kit = onnx_kit
    other = registry(tmp_path / "other", Target("orin", "onnx", "int8", 0.01), scale=0.8)
    with pytest.raises(ExportError, match=r"must be built from target-orin\.onnx of version 1, but was from another"):
        take_back(other, kit)


def test_what_cannot_be_made_into_a_kit_is_refused(onnx_kit: tuple[Registry, Path], tmp_path: Path) -> None:
    registered, kit = onnx_kit
    with pytest.raises(ExportError, match="must be a new folder, but exists"):
        kit_of(registered, kit, "orin")
    with pytest.raises(RegistryError, match="must contain the artifact of target line, but contains those of orin"):
        kit_of(registered, tmp_path / "a", "line")
    with pytest.raises(ExportError, match=r"--runtime: must be one of onnxruntime, tensorrt, .* but got openvino"):
        kit_of(registered, tmp_path / "a", "orin", runtime="openvino")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExportError, match="--images: must be a folder with pictures of the line"):
        kit_of(registered, tmp_path / "a", "orin", images=tmp_path / "empty")
