"""Backends: what is no model is refused in words, a file that is not there too."""

from pathlib import Path

import numpy as np
import pytest

from automl.apps.serve.backend import OnnxRuntime, opened
from automl.study.errors import RegistryError
from tests import detectors


@pytest.mark.parametrize("content", [b"", b"no model", bytes(100)])
def test_bytes_that_are_no_model_are_told(content: bytes) -> None:
    with pytest.raises(RegistryError, match=r"model\.onnx: must be a model that ONNX Runtime can load, but"):
        OnnxRuntime(content, source="model.onnx")


def test_a_batch_is_run(tmp_path: Path) -> None:
    content = detectors.saved(tmp_path / "model.onnx").read_bytes()
    backend = opened(tmp_path, {"model.onnx": content}.get)
    assert backend.shape == (1, 3, 64, 64)
    assert backend.run(np.zeros((1, 3, 64, 64), np.float32)).shape == (1, 7, 64)


def test_a_batch_of_another_size_is_told(tmp_path: Path) -> None:
    backend = opened(tmp_path, {"model.onnx": detectors.saved(tmp_path / "model.onnx").read_bytes()}.get)
    with pytest.raises(RegistryError, match=r"model\.onnx: must be a model that ONNX Runtime can run, but"):
        backend.run(np.zeros((2, 3, 64, 64), np.float32))


def test_a_version_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"must contain model\.onnx, the file that is served, but does not"):
        opened(tmp_path, lambda _name: None)
