"""Laws of `resources`: shares of GPUs, and exceptions for values that exist."""

from collections.abc import Iterator, Mapping

from automl.study.messages import shown
from automl.study.space_spec import ChoiceSpec
from automl.study.spec_parts import ExceptionSpec, ResourcesSpec
from automl.study.trial import ParamValue


def resource_mistakes(resources: ResourcesSpec, space: Mapping[str, object]) -> Iterator[str]:
    """Yield `key: law, but got values` for each broken law."""
    if resources.gpus != "auto":
        yield from _share_mistakes("resources.gpus", resources.gpus)
    for number, one in enumerate(resources.exceptions):
        where = f"resources.exceptions.{number}"
        if one.gpus is not None:
            yield from _share_mistakes(f"{where}.gpus", one.gpus)
        yield from _condition_mistakes(where, one, space)


def _share_mistakes(key: str, gpus: float) -> Iterator[str]:
    if gpus > 1:
        law = "must be at most 1 (one GPU or a share of one per trial)"
        yield f"{key}: {law}, but got {gpus:g}; --set resources.gpus=1"


def _condition_mistakes(where: str, one: ExceptionSpec, space: Mapping[str, object]) -> Iterator[str]:
    for name, values in one.when.items():
        part = space.get(name)
        if not isinstance(part, ChoiceSpec):
            known = [other for other, kind in space.items() if isinstance(kind, ChoiceSpec)]
            yield f"{where}.when.{name}: must name a parameter of space with choices, one of {known}"
        elif strangers := [value for value in values if not _among(value, part)]:
            yield f"{where}.when.{name}: must be among the choices {part.choices}, but got {shown(strangers)}"


def _among(value: ParamValue, part: ChoiceSpec) -> bool:
    return any(ExceptionSpec(when={"x": [value]}).applies({"x": choice}) for choice in part.choices)
