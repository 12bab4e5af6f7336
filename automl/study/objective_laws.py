"""Laws of the constraints of an objective: their grammar, and that their targets are there."""

from collections.abc import Collection, Iterator
from typing import Final

from automl.study.messages import shown
from automl.study.objective import ONNX_TARGET, Constraint, Cost
from automl.study.spec_parts import ContractSpec, ObjectiveSpec
from automl.study.structure import STRUCTURAL

EXAMPLE: Final = "latency_ms <= 8 on cpu"
SECOND_EXAMPLE: Final = "latency_ms on cpu"


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


def second_mistakes(goal: ObjectiveSpec, space: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with a second objective, other than its text.

    >>> [*second_mistakes(ObjectiveSpec(tolerance=0.01), ["lr0"])]
    ['objective.tolerance: must be left out, since it has no effect without objective.second, but got 0.01']
    """
    if goal.second is None and goal.tolerance:
        law = "must be left out, since it has no effect without objective.second"
        yield f"objective.tolerance: {law}, but got {goal.tolerance:g}"
    if goal.second is not None and not any(name in space for name in STRUCTURAL):
        yield (
            f"objective.second: must have {' or '.join(STRUCTURAL)} as choices in space, since nothing else changes "
            f"what a model costs, but the space has {shown(sorted(space))}; --set space.imgsz='{{choices: [480, 640]}}'"
        )


def objective_mistakes(goal: ObjectiveSpec, targets: Collection[str]) -> Iterator[str]:
    """Yield `key: law, but got values` for each constraint that cannot be read or names no target.

    >>> len([*objective_mistakes(ObjectiveSpec(constraints=["size_mb <= 0 on onnx"]), ())])
    1
    """
    costs: dict[str, Cost] = {}
    texts = {f"objective.constraints.{number}": text for number, text in enumerate(goal.constraints)}
    second = {"objective.second": goal.second} if goal.second is not None else {}
    for key, text in {**texts, **second}.items():
        try:
            costs[key] = Cost.of(text) if key in second else Constraint.of(text).cost
        except ValueError as error:
            example = SECOND_EXAMPLE if key in second else EXAMPLE
            yield f"{key}: {error}, such as {example!r}, but got {shown(text)}"
    known = [ONNX_TARGET, *targets]
    for key, cost in costs.items():
        if cost.target not in known:
            yield (
                f"{key}: must be on one of {known}, but got {shown(cost.target)}; "
                f"--set targets.{cost.target}.format=openvino"
            )
    if ONNX_TARGET in targets:
        yield f"targets.{ONNX_TARGET}: must have another name, since {ONNX_TARGET} is the ONNX file in ONNX Runtime"
