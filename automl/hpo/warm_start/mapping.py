"""Map params of a past study into the present search space. Pure.

Compared are the effective values of a trial: its params, and the fixed settings of its study for the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any, Final, Self

from automl.study import Params, ParamValue
from automl.study.space import SET_BY_AUTO, Choice, Integer, Real, SearchSpace, Single, live

CLIP_TOLERANCE: Final = 0.1
"""A value outside a range by at most this share of its width is clipped to the range; one further out is rejected."""
HUGE: Final = 1e300
"""Above it not every integer is a float."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The searched parameters and the fixed settings of a study."""

    space: SearchSpace
    fixed: Mapping[str, Any]

    @classmethod
    def of(cls, space: SearchSpace, train: Mapping[str, Any], *, model: str, settings: Mapping[str, Any]) -> Self:
        """Return a study's terms; `settings` are the trainer's defaults, for what the study does not fix."""
        return cls(space, {**settings, **train, "model": model})


def translated(params: Params, earlier: Terms, present: Terms) -> dict[str, ParamValue] | str:
    """Return the params mapped into the present space, or the name of the parameter that does not fit.

    A number searched there and fixed here is left out: the trial is still evidence on the others. A choice searched
    there and fixed here must equal the fixed one: the other params are not comparable across optimizers or models.
    """
    for name, parameter in earlier.space.parameters.items():
        other = name in params and name not in present.space.parameters and isinstance(parameter, Choice)
        if other and not _same(name, params[name], present.fixed.get(name)):
            return name
    trained = {**earlier.fixed, **params}
    # Under `optimizer: auto` the settings do not contain the effective values.
    unknown = SET_BY_AUTO if str(trained.get("optimizer")).lower() == "auto" else frozenset()
    found: dict[str, ParamValue] = {}
    for name, parameter in present.space.parameters.items():
        if part := live(parameter, found):
            value = None if name in unknown else fitted(part, _spelled(name, part, trained.get(name)))
            if value is None:
                return name
            found[name] = value
    return found


def _same(name: str, one: object, other: object) -> bool:
    return one == other or (name == "optimizer" and str(one).lower() == str(other).lower())


def _spelled(name: str, part: Single, value: object) -> object:
    """Return a value in the present space's spelling: Ultralytics accepts an optimizer in any letter case."""
    choices = part.choices if isinstance(part, Choice) else ()
    return next((choice for choice in choices if _same(name, choice, value)), value) if name == "optimizer" else value


def fitted(parameter: Single, value: object) -> ParamValue | None:
    """Return the value converted and clipped to the parameter's range, None if it does not fit.

    >>> fitted(Real(0.0, 1.0, default=0.5), 1.05), fitted(Real(0.0, 1.0, default=0.5), 1.2)
    (1.0, None)
    """
    if isinstance(parameter, Choice):
        same = (choice for choice in parameter.choices if choice == value and _kind(choice) is _kind(value))
        return next(same, None)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < HUGE:
        return None
    near = _near(parameter, float(value))
    if near is None:
        return None
    return round(near) if isinstance(parameter, Integer) else near


def _near(parameter: Real | Integer, value: float) -> float | None:
    if parameter.log and value <= 0:
        return None
    low, high, here = (log(x) if parameter.log else x for x in (parameter.low, parameter.high, value))
    beyond = max(low - here, here - high) / (high - low)
    return min(max(value, float(parameter.low)), float(parameter.high)) if beyond <= CLIP_TOLERANCE else None


def _kind(value: object) -> type:
    """Return a kind that differs for True, 1 and '1', and is the same for 1 and 1.0."""
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
