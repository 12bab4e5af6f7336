"""What an untrained model costs: measured as an ONNX file, with the processor's name."""

import time
from pathlib import Path

import onnx
import pytest

from automl.release import device_script, footprint, latency, onnx_target, openvino_models
from automl.study.errors import ExportError
from automl.study.results import Target
from tests import detectors
from tests.conftest import tiny_job_at


def test_an_untrained_model_is_timed_and_weighed_in_onnx_runtime(tmp_path: Path, data: Path) -> None:
    job = tiny_job_at(tmp_path / "job", data)
    found = footprint.measure(job, (), {"onnx"})["onnx"]
    assert 0 < found.latency.p50 <= found.latency.p95 <= found.latency.p99
    assert found.latency.device
    assert 0 < found.mb < 0.01
    assert found.cost("size_mb") == found.mb
    assert footprint.measure(job, (Target("cpu", "openvino", "fp16", 0.01),), set()) == {}


def test_a_target_whose_package_is_missing_is_refused_with_the_command(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_models, "missing", lambda: ["nncf"])
    with pytest.raises(ExportError, match=r"targets.cpu: nncf must be installed.*pip install"):
        footprint.measure(tiny_job_at(tmp_path, data), (Target("cpu", "openvino", "int8", 0.01),), {"cpu"})


def test_a_graph_with_a_free_batch_axis_is_timed_with_one_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_script, "MOST_RUNS", 2)
    monkeypatch.setattr(device_script, "FEWEST_RUNS", 2)
    graph = onnx.load(detectors.saved(tmp_path / "model.onnx"))
    graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(graph, tmp_path / "free.onnx")
    assert onnx_target.footprint(tmp_path / "free.onnx").latency.p50 > 0


def test_a_slow_model_is_run_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock) / 4)  # a run takes 250 ms
    runs: list[int] = []
    found = latency.measured(lambda: runs.append(1), "a processor")
    assert found.p50 == found.p99 == 250
    assert len(runs) == device_script.WARM_UP + device_script.REPEATS * 40
