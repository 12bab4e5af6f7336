"""Kits for devices: written, built by a process without automl, taken back, and refused where something is wrong."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from automl.apps import device_kit, device_result
from automl.apps.device_built import take_back
from automl.apps.device_gates import judged
from automl.apps.device_kit import reader
from automl.apps.serve import postprocess
from automl.apps.serve.backend import opened
from automl.apps.serve.detector import Detector, letterboxed
from automl.apps.serve.postprocess import detections
from automl.apps.serve.thresholds import Thresholds
from automl.release import device_script, openvino_models
from automl.storage.registry import Registry
from automl.study import Gates, Target
from automl.study.errors import ExportError, RegistryError
from tests import detectors
from tests.damage import flipped

WITHOUT_AUTOML = (
    "import sys, runpy; sys.modules['automl'] = None; sys.argv = ['build.py']; "
    "runpy.run_path('build.py', run_name='__main__')"
)


def cards(number: int) -> dict[str, str]:
    return {"CARD.md": f"# boards, version {number}\n\nversion 1", "CARD.zh.md": f"# boards，第 {number} 版"}  # noqa: RUF001


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
    made.publish(files, {"promotion.json": verdict}, texts=cards)
    made.promote(1, why="first")
    return made


def kit_of(registered: Registry, folder: Path, target: str, **wanted: Any) -> Path:
    """Write a kit, by default with the version's picture alone."""
    wanted.setdefault("images", registered.path(1))
    said = device_kit.write(registered, 1, folder, device_kit.Wanted(target, **wanted))
    assert "run `python build.py` there" in said
    return folder


def built(kit: Path, *, without: str = "torch") -> str:
    """Run the script of a kit in a process that cannot import automl and another package; return what it says."""
    code = f"import sys; sys.modules['{without}'] = None; {WITHOUT_AUTOML}"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=kit, capture_output=True, text=True, check=False)
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
    assert (folder / "CARD.md").read_text().startswith("# boards, version 2\n\nversion 1\n")
    assert (folder / "CARD.zh.md").read_text().startswith("# boards，第 2 版\n")  # noqa: RUF001
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
        (bytes_of("built/outputs.npz"), r"outputs\.npz: SHA-256 must be"),
        (bytes_of("pictures.npy"), r"pictures\.npy: SHA-256 must be"),
        (bytes_of("timed-00.png"), r"timed-00\.png: SHA-256 must be"),
        (bytes_of("postprocess.py"), r"postprocess\.py: SHA-256 must be"),
        (bytes_of("kit.json"), r"kit\.json: must be readable JSON|must be the result of this kit"),
        (lambda kit: (kit / "built/result.json").write_text("[]"), r"result\.json: its seal must fit its content"),
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


def resealed(kit: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Put other outputs into a result, as a device that computes something else would."""
    path = kit / "built" / "outputs.npz"
    with np.load(path) as archive:
        outputs = {name: archive[name] for name in archive.files}
    change(outputs)
    np.savez(path, **outputs)
    record = kit / "built" / "result.json"
    plain = json.loads(record.read_text())
    del plain["seal"]
    plain["files"]["outputs.npz"] = device_script.digest(path)
    record.write_text(json.dumps({**plain, "seal": device_script.seal(plain)}))


def scaled(outputs: dict[str, Any], factor: float) -> None:
    outputs["rows"][:, 4:] *= factor


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
    resealed(copied, lambda outputs: scaled(outputs, factor))
    with pytest.raises(ExportError, match=why):
        take_back(registered, copied)


def test_limits_of_the_target_are_judged_by_what_the_device_measured(tmp_path: Path) -> None:
    registered = registry(
        tmp_path / "made", Target("orin", "onnx", "fp16", 0.01, max_latency_ms=1e-6, max_end_to_end_ms=5000.0)
    )
    kit = kit_of(registered, tmp_path / "kit", "orin")
    assert "not timed end to end: OpenCV is not installed there" in built(kit, without="cv2")
    why = r"latency_ms <= 1e-06 must hold.*end_to_end_ms <= 5000 must hold, but got no measurement: OpenCV is not"
    with pytest.raises(ExportError, match=why):
        take_back(registered, kit)


def test_the_device_times_an_image_from_bytes_to_json_and_is_judged_by_it(
    onnx_kit: tuple[Registry, Path],
) -> None:
    registered, kit = onnx_kit
    record = json.loads((registered.path(1) / "target-orin.json").read_text())
    record["inputs"]["target"]["max_end_to_end_ms"] = 5000.0
    found = device_result.read(kit)
    assert found.served
    assert found.served.p50 > 0
    named = {gate.name: gate for gate in judged(found, registered.path(1), record).gates}
    gate = named["target orin on its device end_to_end_ms"]
    assert (gate.passed, gate.limit, gate.value) == (True, 5000.0, found.served.p50)


def test_the_script_s_letterbox_and_boxes_are_those_of_the_server(
    onnx_kit: tuple[Registry, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    registered, kit = onnx_kit
    monkeypatch.setattr(device_script, "HERE", kit)
    steps, plain = device_script.beside(device_script.POSTPROCESS), json.loads((kit / "kit.json").read_text())
    picture = np.random.default_rng(0).integers(0, 256, (41, 87, 3), dtype=np.uint8)
    source = registered.path(1)
    detector = Detector(opened(source, reader(source), target="orin"))
    batch = steps.letterboxed(picture, size=plain["size"], resize=cv2.resize)
    output = np.asarray(np.random.default_rng(1).random((7, 64)), np.float32) * 32
    wanted = SimpleNamespace(**plain["thresholds"] | {"conf": 0.5})
    boxes = steps.detections(output, wanted, end_to_end=False)
    names = {int(number): name for number, name in plain["names"].items()}

    assert np.array_equal(batch, letterboxed(picture, size=detector.size))
    assert np.array_equal(boxes, detections(output, Thresholds(conf=0.5), end_to_end=False))
    assert names == detector.names
    assert len(steps.described(boxes, picture.shape[:2], size=64, names=names)) == len(boxes) > 0


def test_the_files_of_a_kit_are_python_3_9() -> None:
    for module in (device_script, postprocess):
        ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"), feature_version=(3, 9))


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
    with pytest.raises(ExportError, match="--images: must be given without --split and --data"):
        kit_of(registered, tmp_path / "a", "orin", split="val")
    with pytest.raises(ExportError, match=r"must say on which split the version was judged, .* --images"):
        kit_of(registered, tmp_path / "a", "orin", images=None)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
