"""Costs of engines for other GPUs and later versions: measured for each kind, or it is said why not."""

import sys
from pathlib import Path

import pytest

from automl.release import device_script
from automl.storage import engine_machine
from benchmarks import engine_builds
from tests import detectors
from tests.apps.serve.test_tensorrt_backend import machine
from tests.apps.test_device_engine import with_builder


def test_each_kind_of_engine_is_built_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = detectors.saved(tmp_path / "given.onnx")
    (tmp_path / "place").mkdir()
    machine(monkeypatch, graph, capability=(9, 0))
    with_builder()
    monkeypatch.setattr(device_script, "HERE", tmp_path)
    monkeypatch.setattr(device_script, "MOST_RUNS", 5)
    monkeypatch.setattr(device_script, "FEWEST_RUNS", 5)

    assert engine_builds.unable() == ""
    found = engine_builds.measured(graph, tmp_path / "place")

    assert list(found) == ["this GPU", "hardware-compatible", "version-compatible", "both"]
    for row in found.values():
        assert row["p50_ms"] > 0
        assert row["build_s"] >= 0
        assert row["device"] == "GPU of compute capability 9.0"


def test_a_machine_without_tensorrt_or_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert engine_builds.unable() == "tensorrt is not installed"
    monkeypatch.setitem(sys.modules, "tensorrt", engine_builds)
    monkeypatch.setattr(engine_machine, "capability", lambda: "")
    assert engine_builds.unable() == "there is no CUDA GPU, or cuda-bindings is not installed"


@pytest.mark.gpu
@pytest.mark.skipif(bool(engine_builds.unable()), reason="tensorrt or a CUDA GPU is missing")
def test_on_a_gpu_all_kinds_are_built_and_their_costs_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    graph = detectors.saved(tmp_path / "given.onnx")
    monkeypatch.setattr(device_script, "HERE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["engine_builds.py", "--onnx", str(graph)])
    engine_builds.main()
    costs = capsys.readouterr().out.splitlines()[-1]
    with capsys.disabled():
        print(costs)  # noqa: T201
    assert "hardware-compatible" in costs
