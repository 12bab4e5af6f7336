"""The search space: the searched parameters, the conditions under which each exists, and their defaults.

A parameter is a number, a choice, or a number whose range depends on an earlier choice (`Alternatives`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from automl.study.trial import Params, ParamValue

When = Mapping[str, Sequence[ParamValue]]
"""Parent parameter to the values under which a conditional parameter exists."""


@dataclass(frozen=True, slots=True)
class Real:
    """A real number in [low, high]."""

    low: float
    high: float
    default: float
    log: bool = False
    when: When = field(default_factory=dict)

    def contains(self, value: ParamValue) -> bool:
        """Return True if the value is in the range."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer in [low, high]."""

    low: int
    high: int
    default: int
    log: bool = False
    when: When = field(default_factory=dict)

    def contains(self, value: ParamValue) -> bool:
        """Return True if the value is an integer in the range."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    choices: tuple[ParamValue, ...]
    default: ParamValue
    when: When = field(default_factory=dict)

    def contains(self, value: ParamValue) -> bool:
        """Return True if the value is one of the choices."""
        return value in self.choices


Single = Real | Integer | Choice
"""A parameter with one range."""


@dataclass(frozen=True, slots=True)
class Alternatives:
    """A number with several ranges, such as a learning rate with a range for each optimizer.

    The conditions of the ranges exclude each other, so at most one of them is live under any params.
    """

    ranges: tuple[Real | Integer, ...]

    @property
    def low(self) -> float:
        """Return the lowest end of all ranges."""
        return min(part.low for part in self.ranges)

    @property
    def high(self) -> float:
        """Return the highest end of all ranges."""
        return max(part.high for part in self.ranges)

    @property
    def log(self) -> bool:
        """Return True if a range is on a logarithmic scale."""
        return any(part.log for part in self.ranges)


Parameter = Single | Alternatives


SET_BY_AUTO = frozenset({"lr0", "momentum", "warmup_bias_lr"})
"""What `optimizer: auto` sets itself. Where it picks MuSGD, the warm-up still ends at `momentum`, which is no reason to
search it."""


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Named parameters in drawing order; a parent precedes its children."""

    parameters: Mapping[str, Parameter]

    def defaults(self) -> dict[str, ParamValue]:
        """Return the default params.

        >>> SearchSpace({"lr0": Real(1e-4, 0.1, default=0.01, log=True)}).defaults()
        {'lr0': 0.01}
        """
        return self.nearest({})

    def nearest(self, given: Params) -> dict[str, ParamValue]:
        """Return the point with the given values where they are in their live range, and defaults elsewhere.

        >>> space = SearchSpace({"lr0": Real(1e-4, 0.1, default=0.01), "nbs": Choice((8, 64), 64)})
        >>> space.nearest({"lr0": 1, "nbs": 8})
        {'lr0': 0.01, 'nbs': 8}
        """
        params: dict[str, ParamValue] = {}
        for name, parameter in self.parameters.items():
            if part := live(parameter, params):
                value = given.get(name, part.default)
                params[name] = value if part.contains(value) else part.default
        return params

    def contains(self, params: Params) -> bool:
        """Return True if the params are complete and valid: each parameter that exists, in its live range."""
        parts = {name: part for name, parameter in self.parameters.items() if (part := live(parameter, params))}
        return parts.keys() == params.keys() and all(part.contains(params[name]) for name, part in parts.items())

    def distinct(self, most: int) -> int:
        """Return the number of different params, or `most` where there are as many.

        >>> SearchSpace({"batch": Integer(4, 16, 8)}).distinct(100)
        13
        """
        return _distinct(tuple(self.parameters.items()), {}, most)

    def mistakes(self) -> Iterator[str]:
        """Yield `name: law, but got values` for each condition that cannot be evaluated or is not exclusive."""
        seen: dict[str, Parameter] = {}
        for name, parameter in self.parameters.items():
            for where, part in named_parts(name, parameter):
                yield from _condition_mistakes(where, part.when, seen)
            if isinstance(parameter, Alternatives):
                yield from _exclusion_mistakes(name, parameter)
            seen[name] = parameter


def _distinct(rest: tuple[tuple[str, Parameter], ...], params: Params, most: int) -> int:
    if not rest:
        return 1
    (name, parameter), *others = rest
    part = live(parameter, params)
    if isinstance(part, Real):
        return most
    values: Sequence[ParamValue | None] = [None]
    if part is not None:
        values = part.choices if isinstance(part, Choice) else range(part.low, part.high + 1)
    found = 0
    for value in values:
        given = params if value is None else {**params, name: value}
        found += _distinct(tuple(others), given, most - found)
        if found >= most:
            return most
    return found


def parts(parameter: Parameter) -> tuple[Single, ...]:
    """Return the ranges of a parameter that has several, else the parameter itself."""
    return parameter.ranges if isinstance(parameter, Alternatives) else (parameter,)


def live(parameter: Parameter, params: Params) -> Single | None:
    """Return the live part of a parameter, given the params drawn before it; None if none is live."""
    active = (
        part for part in parts(parameter) if all(params.get(name) in values for name, values in part.when.items())
    )
    return next(active, None)


def named_parts(name: str, parameter: Parameter) -> Iterator[tuple[str, Single]]:
    """Yield each part of a parameter with its key in the description."""
    for number, part in enumerate(parts(parameter)):
        yield f"space.{name}.{number}" if isinstance(parameter, Alternatives) else f"space.{name}", part


def _condition_mistakes(where: str, when: When, seen: Mapping[str, Parameter]) -> Iterator[str]:
    for parent, values in when.items():
        owner = seen.get(parent)
        wanted = f"{where}.when.{parent}"
        if not isinstance(owner, Choice):
            earlier = [other for other, kind in seen.items() if isinstance(kind, Choice)]
            yield f"{wanted}: must name a parameter with choices that comes earlier in space, one of {earlier}"
        elif not values:
            yield f"{wanted}: must name at least one of the choices {list(owner.choices)}, but got none"
        elif strangers := set(values).difference(owner.choices):
            listed = [value for value in values if value in strangers]
            yield f"{wanted}: must be among the choices {list(owner.choices)}, but got {listed}"


def _exclusion_mistakes(name: str, parameter: Alternatives) -> Iterator[str]:
    """Yield a line for each range without a condition, and for each two that can be live at once."""
    for number, part in enumerate(parameter.ranges):
        if not part.when:
            yield f"space.{name}.{number}: must have a condition, such as when: {{optimizer: [SGD]}}, but has no when"
    for (first, one), (second, other) in combinations(enumerate(parameter.ranges), 2):
        shared = [parent for parent in one.when if parent in other.when]
        apart = any(not set(one.when[parent]) & set(other.when[parent]) for parent in shared)
        if one.when and other.when and not apart:
            yield (
                f"space.{name}: {first} and {second} must exclude each other by one parameter in when without a common "
                f"value, but got {_plain(one.when)} and {_plain(other.when)}"
            )


def _plain(when: When) -> dict[str, list[ParamValue]]:
    return {parent: list(values) for parent, values in when.items()}
