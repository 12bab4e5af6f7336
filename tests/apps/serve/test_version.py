"""A version is loaded if every byte is as published and its model passes its smoke test."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from automl.apps.serve import version
from automl.apps.serve.detector import Detector
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from tests import detectors
from tests.builders import written


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return detectors.registered(tmp_path, 1.0)


def picture(path: Path) -> Path:
    cv2.imwrite(str(path), np.full((20, 30, 3), 255, np.uint8))
    return path


def test_a_whole_version_is_loaded(registry: Registry) -> None:
    served = version.load(registry, "champion")
    assert (served.name, served.number, served.detector.size) == ("boards", 1, 64)
    assert served.sha256 == registry.manifest(1)["files"]["model.onnx"]


def test_the_record_is_read_as_it_was_verified(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    path = registry.path(1) / "model.onnx"
    path.chmod(0o644)
    path.write_bytes(b"swapped")
    monkeypatch.setattr(Registry, "verify", lambda _registry, _number: [])  # verified just before the swap
    with pytest.raises(RegistryError, match=r"model\.onnx: SHA-256 must be .* it was changed while it was read"):
        version.load(registry, 1)
    path.unlink()
    with pytest.raises(RegistryError, match=r"model\.onnx: must be readable, but No such file"):
        version.load(registry, 1)


@pytest.mark.parametrize("name", ["model.onnx", "best.pt", "promotion.json"])
def test_a_damaged_version_is_not_loaded(tmp_path: Path, name: str) -> None:
    held = Registry(tmp_path / "models", "boards")
    held.publish(
        {"best.pt": written(tmp_path, "best.pt", "x"), "model.onnx": detectors.saved(tmp_path / "model.onnx")},
        {"promotion.json": {}},
    )
    path = held.path(1) / name
    path.chmod(0o644)
    path.write_text("damaged")
    with pytest.raises(RegistryError, match=rf"versions/0001/{name}: SHA-256 must be [0-9a-f]{{64}}, but is "):
        version.load(held, 1)


def test_a_version_without_an_onnx_file_is_not_loaded(tmp_path: Path) -> None:
    held = Registry(tmp_path / "models", "boards")
    held.publish({"best.pt": written(tmp_path, "best.pt", "x")}, {})
    with pytest.raises(RegistryError, match=r"versions/0001: must contain model.onnx, the file that is served"):
        version.load(held, 1)


@pytest.mark.parametrize("number", [2, "previous"])
def test_a_version_that_is_not_there_is_not_loaded(registry: Registry, number: int | str) -> None:
    with pytest.raises(RegistryError, match=rf"must contain .*{number!r}, but has"):
        version.load(registry, number)


def test_a_version_is_run_on_its_own_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Registry(tmp_path / "models", "boards")
    files = {
        "model.onnx": detectors.saved(tmp_path / "model.onnx"), "smoke-1.png": picture(tmp_path / "1.png"),
        "smoke-2.png": picture(tmp_path / "2.png"),
    }  # fmt: skip
    held.publish(files, {})
    seen: list[tuple[int, ...]] = []
    monkeypatch.setattr(Detector, "check", lambda _detector, pixels: seen.append(pixels.shape))
    version.load(held, 1)
    assert seen == [(64, 64, 3), (20, 30, 3), (20, 30, 3)]


def test_a_picture_of_the_smoke_test_that_is_none_is_told(tmp_path: Path) -> None:
    held = Registry(tmp_path / "models", "boards")
    held.publish(
        {"model.onnx": detectors.saved(tmp_path / "model.onnx"), "smoke.png": written(tmp_path, "smoke.png", "x")}, {}
    )
    with pytest.raises(RegistryError, match=r"smoke\.png: must be a picture for the smoke test, but the body must be"):
        version.load(held, 1)


def test_a_model_whose_outputs_are_not_finite_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"0001/model\.onnx: must have finite outputs"):
        version.load(detectors.registered(tmp_path, float("nan")), 1)
