"""Laws of the constraints of an objective: their grammar, and that their targets are there."""

from collections.abc import Collection, Iterator
from typing import Final

from automl.study.messages import shown
from automl.study.objective import ONNX_TARGET, Constraint, Cost
from automl.study.spec_parts import ObjectiveSpec

EXAMPLE: Final = "latency_ms <= 8 on cpu"


def objective_mistakes(goal: ObjectiveSpec, targets: Collection[str]) -> Iterator[str]:
    """Yield `key: law, but got values` for each constraint that cannot be read or names no target.

    >>> len([*objective_mistakes(ObjectiveSpec(constraints=["size_mb <= 0 on onnx"]), ())])
    1
    """
    costs: dict[str, Cost] = {}
    for number, text in enumerate(goal.constraints):
        key = f"objective.constraints.{number}"
        try:
            costs[key] = Constraint.of(text).cost
        except ValueError as error:
            yield f"{key}: {error}, such as {EXAMPLE!r}, but got {shown(text)}"
    known = [ONNX_TARGET, *targets]
    for key, cost in costs.items():
        if cost.target not in known:
            yield (
                f"{key}: must be on one of {known}, but got {shown(cost.target)}; "
                f"--set targets.{cost.target}.format=openvino"
            )
    if ONNX_TARGET in targets:
        yield f"targets.{ONNX_TARGET}: must have another name, since {ONNX_TARGET} is the ONNX file in ONNX Runtime"
