"""OpenVINO as a backend: the boxes of the ONNX file, from several threads, and refusals in words."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from automl.apps.serve.backend import opened
from automl.apps.serve.detector import Detector
from automl.apps.serve.openvino_backend import OpenVino
from automl.apps.serve.thresholds import Thresholds
from automl.apps.serve.version import load
from automl.release import openvino_models
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from tests import detectors

needs_openvino = pytest.mark.skipif(bool(openvino_models.missing()), reason="openvino and nncf are not installed")


def files(folder: Path) -> Mapping[str, Path]:
    """Return the files of a version with a target `cpu`."""
    onnx = detectors.saved(folder / "model.onnx")
    openvino_models.save(openvino_models.read(onnx), folder / "target-cpu.xml", half=False)
    metadata = {"task": "detect", "names": detectors.NAMES, "end2end": "False"}
    (folder / "target-cpu.json").write_text(json.dumps({"metadata": metadata}), encoding="utf-8")
    return {name: folder / name for name in ("model.onnx", "target-cpu.xml", "target-cpu.bin", "target-cpu.json")}


def picture(seed: int) -> NDArray[Any]:
    dark = np.zeros((64, 64, 3), np.uint8)
    x, y = 8 * (seed % 8), 8 * (seed // 8 % 8)
    dark[y : y + 8, x : x + 8] = 255
    return dark


@needs_openvino
def test_a_target_gives_the_boxes_of_the_onnx_file_from_several_threads(tmp_path: Path) -> None:
    made = files(tmp_path)

    def read(name: str) -> bytes | None:
        return made[name].read_bytes() if name in made else None

    ours, theirs = Detector(opened(tmp_path, read, target="cpu")), Detector(opened(tmp_path, read))
    assert ours.provider.startswith("OpenVINO 20")
    assert isinstance(ours._backend, OpenVino)
    compiled = ours._backend._compiled
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    wanted = Thresholds(conf=0.5)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: ours.detect(picture(seed), wanted), range(64)))
    assert found == [theirs.detect(picture(seed), wanted) for seed in range(64)]
    assert all(len(boxes) == 1 for boxes in found)


@needs_openvino
def test_a_version_is_loaded_with_its_target(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models", "boards")
    registry.publish(files(tmp_path), {})
    served = load(registry, 1, target="cpu")
    assert served.path.name == "target-cpu.xml"
    assert served.sha256 == registry.manifest(1)["files"]["target-cpu.xml"]


def test_a_version_without_the_target_says_which_it_has(tmp_path: Path) -> None:
    (tmp_path / "target-igpu.xml").write_text("")
    with pytest.raises(RegistryError, match="artifact of target cpu, but contains those of igpu; a ver"):
        opened(tmp_path, lambda _name: None, target="cpu")


@needs_openvino
@pytest.mark.parametrize("broken", ["target-cpu.xml", "target-cpu.json"])
def test_damaged_files_are_refused(tmp_path: Path, broken: str) -> None:
    made = {name: path.read_bytes() for name, path in files(tmp_path).items()} | {broken: b"{}"}
    with pytest.raises(RegistryError, match="must be a model that OpenVINO can load, but"):
        opened(tmp_path, made.get, target="cpu")
