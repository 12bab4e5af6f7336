"""Parameters of a description's search space: pydantic models of a range, of choices and of alternative ranges."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from automl.study.space import Alternatives, Choice, Integer, Parameter, Real
from automl.study.spec_parts import Part
from automl.study.trial import ParamValue


class RangeSpec(Part):
    """A number between `low` and `high`: `low < high`, and `low <= default <= high`."""

    low: float
    """Lower bound."""
    high: float
    """Upper bound."""
    default: float
    """Value in the default params, which are also tried if they differ from the baseline."""
    type: Literal["float", "int"] = "float"
    """`int` draws integers; `low`, `high` and `default` must then be integers."""
    log: bool = False
    """Draw on a logarithmic scale; `low` must be above 0."""
    when: dict[str, list[ParamValue]] = Field(default_factory=dict)
    """Exists only where each named choice has one of the listed values, such as `{optimizer: [SGD]}`."""


class ChoiceSpec(Part):
    """One of a list of values."""

    choices: Annotated[list[ParamValue], Field(min_length=1)]
    """The values, all different."""
    default: ParamValue
    """One of `choices`, the value in the default params, which are also tried if they differ from the baseline."""
    when: dict[str, list[ParamValue]] = Field(default_factory=dict)
    """As for a range."""


ALTERNATIVES: Final = "Alternatives"


def _shape(raw: object) -> str:
    """Return the tag of the model that validates a parameter."""
    if isinstance(raw, list | tuple):
        return ALTERNATIVES
    choice = isinstance(raw, ChoiceSpec) or (isinstance(raw, dict) and "choices" in raw)
    return "ChoiceSpec" if choice else "RangeSpec"


def _numeric(raw: object) -> object:
    if isinstance(raw, ChoiceSpec) or (isinstance(raw, dict) and "choices" in raw):
        raise PydanticCustomError("numeric", "must be a range with low and high: only numbers can have alternatives")
    return raw


AlternativesSpec = Annotated[list[Annotated[RangeSpec, BeforeValidator(_numeric)]], Field(min_length=1)]
"""Ranges of one parameter, each with its own condition; at most one is active."""
ParameterSpec = Annotated[
    Annotated[RangeSpec, Tag("RangeSpec")]
    | Annotated[ChoiceSpec, Tag("ChoiceSpec")]
    | Annotated[AlternativesSpec, Tag(ALTERNATIVES)],
    Discriminator(_shape),
]


def parameter_of(shape: RangeSpec | ChoiceSpec | list[RangeSpec]) -> Parameter:
    """Return a validated parameter as a record."""
    if isinstance(shape, list):
        return Alternatives(tuple(_number(part) for part in shape))
    if isinstance(shape, ChoiceSpec):
        return Choice(tuple(shape.choices), shape.default, _when(shape))
    return _number(shape)


def _number(part: RangeSpec) -> Real | Integer:
    if part.type == "int":
        return Integer(int(part.low), int(part.high), int(part.default), part.log, _when(part))
    return Real(part.low, part.high, part.default, part.log, _when(part))


def _when(part: RangeSpec | ChoiceSpec) -> dict[str, tuple[ParamValue, ...]]:
    return {parent: tuple(values) for parent, values in part.when.items()}
