"""Laws of `resources`: GPUs of a trial and what they need of its settings, and exceptions for values that exist."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

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
    if gpus > 1 and gpus % 1:
        law = "must be at most 1 (one GPU or a share of one per trial), or a whole number"
        yield f"{key}: {law}, but got {gpus:g}; --set resources.gpus={ceil(gpus)}"


def several_gpus(resources: ResourcesSpec) -> dict[str, int]:
    """Return the GPUs of trials that have several, by the key that says so."""
    given = {"resources.gpus": resources.gpus} | {
        f"resources.exceptions.{number}.gpus": one.gpus for number, one in enumerate(resources.exceptions)
    }
    return {key: int(gpus) for key, gpus in given.items() if isinstance(gpus, float) and gpus > 1}


def several_mistakes(resources: ResourcesSpec, space: Mapping[str, object], fixed: Mapping[str, Any]) -> Iterator[str]:
    """Yield `key: law, but got values` for each setting that trials on several GPUs cannot have.

    `fixed` are the settings of the trainer, with those of `train`.
    """
    for key, count in several_gpus(resources).items():
        part = space.get("batch")
        law = f"must be divisible by {count}, the GPUs of a trial ({key}), since each gets an equal part"
        if part is not None and not isinstance(part, ChoiceSpec):
            yield f"space.batch: {law}; make it choices, such as {{choices: [{4 * count}, {8 * count}], default: ...}}"
        place, values = _values("batch", part, fixed)
        broken = [value for value in values if isinstance(value, int) and value % count]
        if broken:
            got = broken if part else broken[0]
            yield f"{place}: {law}, but got {shown(got)}; {_remedy(place, broken[0], count)}"
        place, values = _values("rect", space.get("rect"), fixed)
        if True in values:
            yield f"{place}: must be false where a trial has several GPUs ({key}), but got true; --set {place}=false"


def _values(name: str, part: object, fixed: Mapping[str, Any]) -> tuple[str, Sequence[Any]]:
    """Return where a setting is given, and the values that it may have."""
    if part is None:
        return f"train.{name}", [fixed[name]] if name in fixed else []
    return f"space.{name}", part.choices if isinstance(part, ChoiceSpec) else []


def _remedy(place: str, batch: int, count: int) -> str:
    fits = max(batch // count, 1) * count
    return f"--set {place}={fits}" if place.startswith("train") else f"such as {fits}"


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
