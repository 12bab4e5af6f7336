"""Encoding of params as points of the unit cube, and candidates drawn there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from automl.study import Params, ParamValue
from automl.study.space import Choice, Integer, Parameter, SearchSpace, Single, When, live, parts

Vector = NDArray[np.float64]
Points = NDArray[np.float64]
"""(points, parameters): a number as the share of its range, on its log scale if it has one; a choice as its index.

A number with several ranges has one column, the share of its active range: so a model compares high with high and low
with low across, for example, optimizers."""


@dataclass(frozen=True)
class Encoding:
    """The unit cube of one space.

    A parameter that does not exist under a point's params has its default, the first one if it has several.
    """

    space: SearchSpace
    allowed: tuple[Params, ...] = ()
    """Combinations of choices of which each drawn point has one (`study.structure`); empty: all are allowed."""

    @cached_property
    def categorical(self) -> NDArray[np.bool_]:
        """Return True for each column that contains the index of a choice."""
        return np.array([isinstance(parameter, Choice) for parameter in self.space.parameters.values()])

    @cached_property
    def default(self) -> Points:
        """Return the default params as one point."""
        return np.asarray(self.encode([self.space.defaults()])[0])

    def encode(self, params: Sequence[Params]) -> Points:
        """Return params as points."""
        rows = [
            [_place(parameter, name, given) for name, parameter in self.space.parameters.items()] for given in params
        ]
        return np.array(rows, dtype=float).reshape(len(rows), len(self.space.parameters))

    def decode(self, point: Points) -> dict[str, ParamValue]:
        """Return the params of one point; parameters that do not exist there are left out."""
        params: dict[str, ParamValue] = {}
        for (name, parameter), share in zip(self.space.parameters.items(), point.tolist(), strict=True):
            if part := live(parameter, params):
                params[name] = _value(part, share)
        return params

    def draw(self, count: int, generator: np.random.Generator) -> Points:
        """Return points drawn uniformly over the space."""
        points = generator.random((count, len(self.space.parameters)))
        for column, parameter in self._choices():
            points[:, column] = np.floor(points[:, column] * len(parameter.choices))
        return self.restricted(self._normalised(points), generator)

    def near(self, centers: Points, generator: np.random.Generator, *, width: float) -> Points:
        """Return one point near each center: some of its parameters moved, numbers by about `width` of their range.

        At least one number is moved; choices are drawn again, more often at a larger `width`.
        """
        count, columns = centers.shape
        moved = generator.random((count, columns)) < max(0.3, 1 / columns)
        moved &= ~self.categorical | (generator.random((count, columns)) < 2 * width)
        numbers = np.flatnonzero(~self.categorical)
        surely = numbers if len(numbers) else np.arange(columns)
        moved[np.arange(count), generator.choice(surely, size=count)] = True
        steps = generator.normal(0, width, (count, columns))
        points = np.where(moved, _reflected(centers + steps), centers)
        points[:, self.categorical] = np.where(moved, self.draw(count, generator), centers)[:, self.categorical]
        return self.restricted(self._normalised(points), generator)

    def restricted(self, points: Points, generator: np.random.Generator) -> Points:
        """Return points with a combination of choices that is not allowed replaced by one that is, drawn uniformly."""
        wrong = ~self.permits(points)
        if not wrong.any():
            return points
        columns = self._columns()
        kept = self.encode(self.allowed)[:, columns]
        changed = points.copy()
        changed[np.ix_(np.flatnonzero(wrong), columns)] = kept[generator.integers(len(kept), size=int(wrong.sum()))]
        return self._normalised(changed)

    def permits(self, points: Points) -> NDArray[np.bool_]:
        """Return True for each point whose combination of choices is allowed."""
        if not self.allowed:
            return np.ones(len(points), dtype=bool)
        columns = self._columns()
        kept = self.encode(self.allowed)[:, columns]
        return np.asarray((points[:, None, columns] == kept).all(axis=2).any(axis=1))

    def _columns(self) -> NDArray[np.intp]:
        wanted = {name for combination in self.allowed for name in combination}
        return np.array([column for column, name in enumerate(self.space.parameters) if name in wanted], dtype=np.intp)

    def _choices(self) -> Iterator[tuple[int, Choice]]:
        for column, parameter in enumerate(self.space.parameters.values()):
            if isinstance(parameter, Choice):
                yield column, parameter

    def _normalised(self, points: Points) -> Points:
        """Set parameters that do not exist at a point to their default, integers to their nearest value."""
        there: dict[str, NDArray[np.bool_]] = {}
        for column, (name, parameter) in enumerate(self.space.parameters.items()):
            there[name] = np.zeros(len(points), dtype=bool)
            for part in parts(parameter):
                held = self._condition_met(part.when, points, there)
                if isinstance(part, Integer):
                    points[held, column] = _rounded(part, points[held, column])
                there[name] |= held
            points[~there[name], column] = _rest(parameter)
        return points

    def _condition_met(self, when: When, points: Points, there: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Return True for each point that meets a condition; `there` is True where its parents exist."""
        names = list(self.space.parameters)
        held = np.ones(len(points), dtype=bool)
        for parent, values in when.items():
            owner = self.space.parameters[parent]
            choices = owner.choices if isinstance(owner, Choice) else ()
            indices = [index for index, value in enumerate(choices) if value in values]
            held &= there[parent] & np.isin(points[:, names.index(parent)], indices)
        return held


def _reflected(points: Points) -> Points:
    """Reflect numbers beyond the borders back inside: clipping would keep a center on its border."""
    return np.clip(np.where(points < 0, -points, np.where(points > 1, 2 - points, points)), 0, 1)


def _rounded(parameter: Integer, shares: Points) -> Points:
    low, high = float(parameter.low), float(parameter.high)
    if high == low:
        return np.zeros_like(shares)
    if parameter.log:
        return np.asarray(np.log(np.rint(low * (high / low) ** shares) / low) / np.log(high / low))
    return np.asarray((np.rint(low + shares * (high - low)) - low) / (high - low))


def _place(parameter: Parameter, name: str, params: Params) -> float:
    part = live(parameter, params)
    if part is None:
        return _rest(parameter)
    return _share(part, params.get(name, part.default))


def _rest(parameter: Parameter) -> float:
    """Return the value of a parameter at points at which it does not exist."""
    first = parts(parameter)[0]
    return _share(first, first.default)


def _share(parameter: Single, value: ParamValue) -> float:
    if isinstance(parameter, Choice):
        return float(parameter.choices.index(value))
    if parameter.high == parameter.low:
        return 0.0
    low, high, number = float(parameter.low), float(parameter.high), float(value)
    if parameter.log:
        low, high, number = np.log(low), np.log(high), np.log(number)
    return float((number - low) / (high - low))


def _value(parameter: Single, share: float) -> ParamValue:
    if isinstance(parameter, Choice):
        return parameter.choices[int(share)]
    low, high = float(parameter.low), float(parameter.high)
    number = low * (high / low) ** share if parameter.log else low + share * (high - low)
    if isinstance(parameter, Integer):
        return min(max(round(number), parameter.low), parameter.high)
    return min(max(number, parameter.low), parameter.high)
