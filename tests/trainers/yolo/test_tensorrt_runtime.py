"""Version-compatible engines are loaded with their own runtime where Ultralytics measures them."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from automl.trainers.yolo.tensorrt_runtime import allowing_own_code


@pytest.mark.parametrize("name", ["target.engine", "best.pt"])
def test_an_engine_may_bring_its_runtime_within_the_block_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    module = ModuleType("tensorrt")
    module.__spec__ = ModuleSpec("tensorrt", None)
    runtime = module.Runtime = lambda logger: SimpleNamespace(logger=logger, engine_host_code_allowed=False)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorrt", module)

    with allowing_own_code(tmp_path / name):
        assert vars(module)["Runtime"]("log").engine_host_code_allowed == (name == "target.engine")
    assert vars(module)["Runtime"] is runtime
