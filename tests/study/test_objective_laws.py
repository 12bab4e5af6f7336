"""Constraints, over-kill rates and stopping contracts in a description: read, or refused with the key and the law."""

from typing import Any

import pytest

from automl.study.objective import Constraint, Cost
from automl.study.validation import own_mistakes
from tests.builders import spec_of

OPENVINO = {"cpu": {"format": "openvino"}}
RATE = {"metric": "miss_rate", "at": {"over_kill": 0.02}}
SIZES = {"imgsz": {"choices": [32, 64], "default": 64}}
CONTRACT = {"max_miss_rate": 0.05, "max_overkill_rate": 0.04, "stop": True}


def test_constraints_are_read_as_written() -> None:
    spec = spec_of(objective={"constraints": ["latency_ms <= 8 on cpu", "size_mb<=1e1 on onnx"]}, targets=OPENVINO)
    assert not [*own_mistakes(spec)]
    assert spec.constraints == (Constraint(Cost("latency_ms", "cpu"), 8), Constraint(Cost("size_mb", "onnx"), 10))
    assert (spec.objective_name, spec.metric) == ("map50_95", "val/map50_95")
    assert spec_of(objective="recall").constraints == ()


def test_the_second_objective_is_the_first_cost() -> None:
    laws = ["size_mb <= 9 on onnx", "latency_ms <= 8 on onnx"]
    spec = spec_of(objective={"second": "latency_ms on onnx", "constraints": laws}, space=SIZES)
    assert not [*own_mistakes(spec)]
    assert spec.second == Cost("latency_ms", "onnx")
    assert spec.costs == (Cost("latency_ms", "onnx"), Cost("size_mb", "onnx"))


def test_the_name_of_a_miss_rate_contains_its_over_kill_rate() -> None:
    spec = spec_of(objective=RATE, contract=CONTRACT)
    assert not [*own_mistakes(spec)]
    assert spec.metric == "val/detection_rate_at_0.02"
    assert spec_of(objective={**RATE, "at": {"over_kill": 0.1, "per": "box"}}).objective_name == (
        "box_detection_rate_at_0.1"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": {"constraints": ["latency <= 8 on cpu"]}},
         "objective.constraints.0: must be `QUANTITY <= NUMBER on TARGET` with one of ['latency_ms', 'end_to_end_ms', "
         "'size_mb'], such as 'latency_ms <= 8 on cpu', but got 'latency <= 8 on cpu'"),
        ({"objective": {"constraints": ["size_mb <= 1 on onnx", "latency_ms <= 1e on onnx"]}},
         "objective.constraints.1: must be `QUANTITY <="),
        ({"objective": {"constraints": ["latency_ms <= 0 on onnx"]}},
         "objective.constraints.0: must have a limit above"),
        ({"objective": {"constraints": ["latency_ms <= 8 on orin"]}, "targets": OPENVINO},
         "objective.constraints.0: must be on one of ['onnx', 'cpu'], but got 'orin'; --set targets.orin.format="),
        ({"objective": {"second": "latency_ms"}, "space": SIZES},
         "objective.second: must be `QUANTITY on TARGET` with one of ['latency_ms', 'end_to_end_ms', 'size_mb'], such "
         "as 'latency_ms on cpu', but got 'latency_ms'"),
        ({"objective": {"second": "size_mb on orin"}, "space": SIZES},
         "objective.second: must be on one of ['onnx'], but got 'orin'; --set targets.orin.format="),
        ({"objective": {"second": "size_mb on onnx"}}, "objective.second: must have model or imgsz as choices in"),
        ({"objective": {"tolerance": 0.1}}, "objective.tolerance: must be left out"),
        ({"targets": {"onnx": {"format": "openvino"}}}, "targets.onnx: must have another name"),
        ({"objective": {"metric": "miss_rate"}}, "objective.at: must be given where metric is miss_rate"),
        ({"objective": {"at": {"over_kill": 0.1}}}, "objective.at: must be left out"),
        ({"contract": CONTRACT}, "contract.stop: must have an objective such as {metric: miss_rate, at: "
         "{over_kill: 0.02, per: image}}"),
        ({"objective": {**RATE, "at": {"over_kill": 0.05}}, "contract": CONTRACT}, "contract.stop: must have"),
        ({"objective": {**RATE, "at": {"over_kill": 0.01, "per": "box"}}, "contract": CONTRACT},
         "contract.stop: must have"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_key_and_remedy(changes: dict[str, Any], said: str) -> None:
    assert [line[: len(said)] for line in own_mistakes(spec_of(**changes))] == [said]
