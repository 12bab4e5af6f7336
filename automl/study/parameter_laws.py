"""Laws of the parameters of a search space: sizes, ranges, choices and alternatives."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from automl.study.messages import named, shown
from automl.study.space_spec import ChoiceSpec, ParameterSpec, RangeSpec
from automl.study.trial import ParamValue

MOST_PARAMETERS: Final = 1000
"""Searched at once; Ultralytics has a tenth as many settings."""
MOST_CHOICES: Final = 1000
"""Of one parameter: the sampler has a column for each."""
MOST_RANGES: Final = 100
"""Of one parameter: each two are compared."""
EXACT: Final = 2**53
"""The largest whole number up to which a float represents each."""


def parameter_mistakes(
    space: Mapping[str, ParameterSpec], parts: Iterable[tuple[str, str, RangeSpec | ChoiceSpec]]
) -> Iterator[str]:
    """Yield `space.name: law, but got values` for each broken law of single parameters; `parts` are their ranges."""
    for _, where, part in parts:
        yield from _choice_mistakes(where, part) if isinstance(part, ChoiceSpec) else _range_mistakes(where, part)
    for name, shape in space.items():
        types = [part.type for part in shape] if isinstance(shape, list) else []
        if len(set(types)) > 1:
            yield f"space.{name}: alternatives must be of one type, but got {types}"


def size_mistakes(space: Mapping[str, ParameterSpec]) -> Iterator[str]:
    """Yield what is larger than the sampler, and the laws between two of a kind, can take."""
    if len(space) > MOST_PARAMETERS:
        yield f"space: must have at most {MOST_PARAMETERS} parameters, but has {len(space)}"
    for name, shape in space.items():
        if isinstance(shape, list) and len(shape) > MOST_RANGES:
            yield f"space.{named(name)}: must have at most {MOST_RANGES} ranges, but has {len(shape)}"
        elif isinstance(shape, ChoiceSpec) and len(shape.choices) > MOST_CHOICES:
            yield f"space.{named(name)}: must have at most {MOST_CHOICES} choices, but has {len(shape.choices)}"


def _choice_mistakes(where: str, part: ChoiceSpec) -> Iterator[str]:
    if _alike(part.choices):
        yield f"{where}: choices must differ (1, 1.0 and true are the same), but got {shown(part.choices)}"
    if not any(choice == part.default and _same_kind(choice, part.default) for choice in part.choices):
        yield f"{where}: default must be one of the choices {shown(part.choices)}, but got {shown(part.default)}"


def _range_mistakes(where: str, part: RangeSpec) -> Iterator[str]:
    if not part.low < part.high:
        yield f"{where}: low < high must hold, but got low={part.low:g}, high={part.high:g}"
    elif not part.low <= part.default <= part.high:
        yield (
            f"{where}: low <= default <= high must hold, but got low={part.low:g}, default={part.default:g}, "
            f"high={part.high:g}"
        )
    elif not math.isfinite(_span(part)):
        kind = "high / low" if part.log else "high - low"
        yield f"{where}: {kind} must be below 1.8e308, but got low={part.low:g}, high={part.high:g}"
    if part.log and part.low <= 0:
        yield f"{where}: low > 0 must hold on a log scale, but got low={part.low:g}"
    if part.type == "int" and any(not value.is_integer() for value in (part.low, part.high, part.default)):
        yield (
            f"{where}: low, high and default must be whole numbers for type int, but got low={part.low:g}, "
            f"high={part.high:g}, default={part.default:g}"
        )
    elif part.type == "int" and max(abs(part.low), abs(part.high)) > EXACT:
        yield f"{where}: type int must lie within 2^53 of 0, but got low={part.low:g}, high={part.high:g}"


def _span(part: RangeSpec) -> float:
    """Return what the share of a range is multiplied by, or raised to, when a value is drawn."""
    if part.log and part.low > 0:
        return part.high / part.low
    return part.high - part.low


def _alike(choices: Sequence[ParamValue]) -> bool:
    """Return True if two choices are one to Python (1 and true) or to a reader (1 and '1')."""
    return min(len(set(choices)), len(set(map(_readable, choices)))) < len(choices)


def _readable(value: ParamValue) -> str:
    """Return a choice as it reads in a table; a whole number of thousands of digits by its hex digits."""
    return hex(value) if type(value) is int and abs(value) > EXACT else str(value)


def _same_kind(one: ParamValue, other: ParamValue) -> bool:
    return isinstance(one, bool) is isinstance(other, bool)
