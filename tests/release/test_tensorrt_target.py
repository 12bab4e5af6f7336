"""TensorRT as the format of a target, on the stand-in of a machine with a GPU: the graph first, then the engine."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.data import picture_cache
from automl.hpo.bootstrap import Resampling
from automl.release import device_script, end_to_end, onnx_target, publish, targets, tensorrt_builder, tensorrt_target
from automl.release.targets import Order
from automl.release.working_point import Comparison
from automl.storage.detections import ImageStats
from automl.storage.layout import ONNX, TORCH_STATS, TORCH_VAL_STATS
from automl.study import Gates, Job, Target
from tests import detectors
from tests.apps.serve.test_tensorrt_backend import VERSION, machine
from tests.apps.test_device_engine import with_builder
from tests.conftest import tiny_job_at
from tests.release.test_working_point import stats

RTX = Target("rtx", "tensorrt", "fp32", 0.05, compatible=("hardware", "version"))
FREE = Gates(max_threshold_loss=0.99, max_class_recall_loss=0.99, max_drift=0.99)


class Judge:
    """What is measured of each model: the detections of the weights, or others on val."""

    def __init__(self, *, on_val: int = 0) -> None:
        self.asked: list[tuple[str, str, float]] = []
        self.on_val = on_val

    def __call__(self, written: Path, job: Job, *, split: str) -> tuple[ImageStats, float]:
        self.asked.append((written.suffix, split, job.gpus))
        return stats(self.on_val if split == "val" else 0), 0.6


@pytest.fixture
def order(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Order:
    """An export on a machine with TensorRT and a GPU."""
    monkeypatch.setenv(picture_cache.FOLDER, "")
    monkeypatch.setattr(device_script, "MOST_RUNS", 3)
    monkeypatch.setattr(device_script, "FEWEST_RUNS", 3)
    folder = tmp_path / "export"
    folder.mkdir()
    graph = detectors.saved(folder / ONNX)
    for name in (TORCH_STATS, TORCH_VAL_STATS):
        stats(0).save(folder / name)
    machine(monkeypatch, graph, capability=(8, 9))
    at = Comparison(0.5, "map50_95", {}, Resampling(resamples=20))
    job = tiny_job_at(tmp_path / "job", data)
    return Order(Job(**{**vars_of(job), "gpus": 1.0, "split": "test"}), folder, (), at, FREE)


def vars_of(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in job.__dataclass_fields__}


def built_by(monkeypatch: pytest.MonkeyPatch, judge: Judge) -> Any:
    settings = with_builder()
    monkeypatch.setattr(tensorrt_builder, "_builder", lambda _wanted: (sys.modules["tensorrt"], ""))
    monkeypatch.setattr(targets, "measured", judge)
    return settings


def test_the_graph_is_judged_on_the_cpu_and_the_engine_where_the_gpu_is(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge()
    settings = built_by(monkeypatch, judge)
    found = targets.build(order, RTX)

    on_cpu = [(".onnx", "val", 0.0), (".onnx", "test", 0.0)]
    assert judge.asked == [*on_cpu, (".engine", "val", 1.0), (".engine", "test", 1.0)]
    assert set(found.files) == {"target-rtx.engine", "target-rtx.onnx", "target-rtx.json"}
    assert found.files["target-rtx.engine"].read_bytes() == b"plan of the device", "without the header of Ultralytics"
    assert found.artifact
    assert found.artifact.builder == f"tensorrt {VERSION}"
    assert found.engine
    assert (found.engine.capabilities, found.engine.hardware) == (("8.9",), "ampere_plus")
    assert found.on_val
    assert settings.builds == [("ampere", "version"), ("none",)]
    assert found.own
    assert found.own.latency.p50 > 0
    assert "compatibility costs" in publish._target(found, FREE).line()

    assert targets.build(order, RTX) == found
    assert len(settings.builds) == 2, "nothing is built again"


def test_a_graph_that_fails_on_val_becomes_no_engine(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(on_val=3)
    settings = built_by(monkeypatch, judge)
    strict = Order(order.job, order.folder, (), order.at, Gates())

    found = targets.build(strict, RTX)

    assert (found.artifact, settings.builds) == (None, [])
    assert found.note.startswith("no engine was built, since its graph must pass its gates: rtx on val F1 at threshold")
    assert judge.asked == [(".onnx", "val", 0.0)]


def test_without_a_gpu_the_target_says_what_is_missing(order: Order) -> None:
    found = targets.build(order, RTX)
    assert found.artifact is None
    assert found.note == "this machine has no CUDA GPU, which tensorrt needs"


def test_it_is_timed_as_it_is_served(order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built_by(monkeypatch, Judge())
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(end_to_end, "_timed", lambda model, *_, **named: asked.append({**named, **model}))
    made = tensorrt_target.built(order.folder / ONNX, tmp_path, compatible=("version",), metadata={})

    tensorrt_target.end_to_end(made.path, {"names": "{}"}, [])

    (given,) = asked
    assert given["engine"]["version_compatible"] is True
    assert given["target-timed.engine"].read_bytes() == b"plan of the device"
    graph = onnx_target.read(tensorrt_target.files(made.path)[".onnx"])
    assert np.array_equal([edge.dim_value for edge in graph.graph.input[0].type.tensor_type.shape.dim], [1, 3, 64, 64])
