"""Laws of the constraints of an objective: their grammar, and that their targets are there."""

from collections.abc import Collection, Iterator
from typing import Final

from automl.study.messages import shown
from automl.study.objective import ONNX_TARGET, Constraint, Cost
from automl.study.spec_parts import ContractSpec, ObjectiveSpec

EXAMPLE: Final = "latency_ms <= 8 on cpu"


def rate_mistakes(goal: ObjectiveSpec, contract: ContractSpec | None) -> Iterator[str]:
    """Yield what is wrong with the over-kill rate of an objective, and with a contract that ends the search.

    >>> [*rate_mistakes(ObjectiveSpec(metric="miss_rate"), None)]
    ['objective.at: must be given where metric is miss_rate, such as {over_kill: 0.02}, but got nothing']
    """
    if goal.metric == "miss_rate" and goal.at is None:
        yield "objective.at: must be given where metric is miss_rate, such as {over_kill: 0.02}, but got nothing"
    if goal.metric != "miss_rate" and goal.at is not None:
        yield f"objective.at: must be left out, since it has no effect on metric={goal.metric}, but was given"
    if contract is None or not contract.stop:
        return
    at = goal.at
    if goal.metric != "miss_rate" or at is None or at.per != contract.per or at.over_kill > contract.max_overkill_rate:
        yield (
            f"contract.stop: must have an objective such as {{metric: miss_rate, at: {{over_kill: "
            f"{contract.max_overkill_rate / 2:g}, per: {contract.per}}}}}, with over_kill at most max_overkill_rate "
            f"and the same per, but got metric={goal.metric}, at={shown(at and at.model_dump())}"
        )


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
