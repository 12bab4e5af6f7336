"""Targets on nodes that have their device, shown by a resource of Ray."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from automl import cluster
from automl.hpo.bootstrap import Resampling
from automl.pipeline import target_nodes
from automl.release import openvino_models
from automl.release.targets import Order
from automl.release.working_point import Comparison
from automl.study import Footprint, Gates, Target, TargetResult
from automl.study.errors import StudyError
from tests.conftest import tiny_job_at

HERE = Target("cpu", "openvino", "fp32", 0.01)
ORIN = Target("orin", "openvino", "fp32", 0.01, resource="orin")
AWAY = Target("line", "openvino", "fp32", 0.01, resource="line-pc")
SLOTS = cluster.Slots(gpus=1.0, cpus=8.0, concurrent=1)


@pytest.fixture
def with_orin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Connect to a Ray whose node has the resource `orin`; return its dashboard."""
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", json.dumps({"orin": 1}))
    with cluster.connected(address=None, log=tmp_path / "ray.log") as dashboard:
        yield dashboard


@pytest.mark.ray
@pytest.mark.usefixtures("with_orin")
@pytest.mark.skipif(bool(openvino_models.missing()), reason="openvino and nncf are not installed")
def test_a_structure_is_measured_on_the_node_that_has_the_resource(tmp_path: Path, data: Path) -> None:
    found = target_nodes.measure(tiny_job_at(tmp_path, data), (ORIN, AWAY), {"orin"}, (), SLOTS)

    assert isinstance(found["orin"], Footprint)
    assert found["orin"].latency.p50 > 0
    with pytest.raises(StudyError, match=r"no node has the resource line-pc of targets\.line\.resource; add one"):
        target_nodes.measure(tiny_job_at(tmp_path, data), (AWAY,), {"line"}, (), SLOTS)


def test_each_target_is_built_where_its_device_is_and_the_others_say_why_not(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[tuple[str, float, float, float]] = []

    def call(
        _: Callable[..., Any], arguments: tuple[Order, Sequence[Target]], slots: cluster.Slots, *, resource: str
    ) -> tuple[TargetResult, ...]:
        order, wanted = arguments
        asked.append((resource, slots.cpus, slots.gpus, order.job.gpus))
        return tuple(TargetResult(one, None, note="built") for one in wanted)

    monkeypatch.setattr(target_nodes, "cluster", SimpleNamespace(call=call, has={"orin"}.__contains__, Slots=None))
    at = Comparison(0.5, "map50_95", {}, Resampling(resamples=2))
    order = Order(tiny_job_at(tmp_path, data), tmp_path, (), at, Gates())

    with caplog.at_level(logging.WARNING):
        target_nodes.warn((ORIN, AWAY, HERE))
    found = target_nodes.build(order, (ORIN, AWAY, HERE), SLOTS)

    assert asked == [("orin", 1.0, 0.0, 0), ("", 8.0, 1.0, 0)]
    assert [one.target for one in found] == [ORIN, AWAY, HERE]
    assert found[1].note.startswith("no node has the resource line-pc of targets.line.resource")
    (said,) = caplog.messages
    assert said.endswith("before the search ends")
