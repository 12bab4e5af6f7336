"""Engines of TensorRT, on the stand-in of a machine with a GPU."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automl.data import picture_cache
from automl.release import tensorrt_builder
from tests import detectors
from tests.apps.serve.test_tensorrt_backend import VERSION, machine
from tests.apps.test_device_engine import with_builder


@pytest.mark.parametrize("cached", [True, False])
def test_what_tensorrt_timed_is_kept_for_the_next_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, cached: bool
) -> None:
    monkeypatch.setenv(picture_cache.FOLDER, str(tmp_path / "cache") if cached else "")
    graph = detectors.saved(tmp_path / "model.onnx")
    machine(monkeypatch, graph, capability=(8, 9))
    settings = with_builder()
    module: Any = sys.modules["tensorrt"]
    entry = SimpleNamespace(shape=(1, 3, 64, 64))
    module.Builder(None).create_network = lambda _flags: SimpleNamespace(get_input=lambda _index: entry)
    monkeypatch.setattr(tensorrt_builder, "_builder", lambda _wanted: (module, ""))

    for _ in range(2):
        tensorrt_builder.build_plan(graph, tmp_path / "model.engine", wanted="tensorrt")

    assert (tmp_path / "model.engine").read_bytes() == b"plan of the device"
    assert settings.timings == ([b"timed", b"timed+"] if cached else [])
    kept = tmp_path / "cache" / f"tensorrt-{VERSION}-8.9.timings"
    assert kept.is_file() == cached
