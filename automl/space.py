"""The search space: what may vary, on which condition, and the default of each parameter.

Knows no sampler: `suggest` needs only the three `suggest_*` methods, so a test can pass a fake.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from automl.records import Params, ParamValue

When = Mapping[str, Sequence[ParamValue]]
"""Parent parameter to the values under which a conditional parameter exists."""


class Suggesting(Protocol):
    """The part of an Optuna trial that a space needs."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """Draw a real number."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = False) -> int:
        """Draw an integer."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[ParamValue]) -> ParamValue:
        """Draw one of the choices."""
        ...


@dataclass(frozen=True, slots=True)
class Real:
    """A real number in [low, high]."""

    low: float
    high: float
    default: float
    log: bool = False
    when: When = field(default_factory=dict)

    def draw(self, name: str, trial: Suggesting) -> ParamValue:
        """Ask the trial for a value."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def holds(self, value: ParamValue) -> bool:
        """Tell whether the value lies in the range."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Integer:
    """An integer in [low, high]."""

    low: int
    high: int
    default: int
    log: bool = False
    when: When = field(default_factory=dict)

    def draw(self, name: str, trial: Suggesting) -> ParamValue:
        """Ask the trial for a value."""
        return trial.suggest_int(name, self.low, self.high, log=self.log)

    def holds(self, value: ParamValue) -> bool:
        """Tell whether the value is an integer in the range."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values."""

    choices: tuple[ParamValue, ...]
    default: ParamValue
    when: When = field(default_factory=dict)

    def draw(self, name: str, trial: Suggesting) -> ParamValue:
        """Ask the trial for a value."""
        return trial.suggest_categorical(name, self.choices)

    def holds(self, value: ParamValue) -> bool:
        """Tell whether the value is one of the choices."""
        return value in self.choices


Parameter = Real | Integer | Choice

ADAM_FAMILY = frozenset({"adam", "adamax", "adamw", "nadam", "radam"})
MOSAIC_FAMILY = ("mosaic", "mixup", "cutmix", "close_mosaic")
OTHER_TASKS = frozenset({
    "copy_paste", "copy_paste_mode", "mask_ratio", "overlap_mask", "dropout", "erasing", "auto_augment", "pose",
    "kobj", "rle", "angle", "dlog", "dgrad", "dlam",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Named parameters in the order in which they are drawn; a parent stands before its children."""

    parameters: Mapping[str, Parameter]

    def suggest(self, trial: Suggesting) -> dict[str, ParamValue]:
        """Draw params; a conditional parameter is left out when its condition does not hold."""
        params: dict[str, ParamValue] = {}
        for name, parameter in self.parameters.items():
            if exists(parameter, params):
                params[name] = parameter.draw(name, trial)
        return params

    def defaults(self) -> dict[str, ParamValue]:
        """Return the default params.

        >>> SearchSpace({"lr0": Real(1e-4, 0.1, default=0.01, log=True)}).defaults()
        {'lr0': 0.01}
        """
        params: dict[str, ParamValue] = {}
        for name, parameter in self.parameters.items():
            if exists(parameter, params):
                params[name] = parameter.default
        return params

    def contains(self, params: Params) -> bool:
        """Tell whether `suggest` could have drawn exactly these params."""
        live = {name for name, parameter in self.parameters.items() if exists(parameter, params)}
        return live == set(params) and all(self.parameters[name].holds(value) for name, value in params.items())

    def mistakes(self) -> Iterator[str]:
        """Yield `name: law, but got values` for each condition on a parameter that is not drawn before."""
        seen: dict[str, Parameter] = {}
        for name, parameter in self.parameters.items():
            for parent, values in parameter.when.items():
                wanted = f"space.{name}.when.{parent}"
                owner = seen.get(parent)
                if not isinstance(owner, Choice):
                    earlier = [other for other, kind in seen.items() if isinstance(kind, Choice)]
                    yield f"{wanted}: must name a parameter with choices that stands earlier in space, one of {earlier}"
                elif not values:
                    yield f"{wanted}: must name at least one of the choices {list(owner.choices)}, but got none"
                elif strangers := [value for value in values if value not in owner.choices]:
                    yield f"{wanted}: must be among the choices {list(owner.choices)}, but got {strangers}"
            seen[name] = parameter

    def dead(self, settings: Mapping[str, ParamValue], *, epochs: int) -> Iterator[str]:
        """Yield `space.name: why` for each parameter that cannot change a detection training.

        `settings` are the fixed train settings with Ultralytics' defaults filled in. The rules were read in
        Ultralytics 8.4.190 (build_optimizer, close_mosaic) and checked there by bitwise comparison of weights.
        """
        optimizers = {str(value).lower() for value in self._values("optimizer", settings)}
        for name, parameter in self.parameters.items():
            if name in OTHER_TASKS:
                yield f"space.{name}: has no effect on boxes; it belongs to another task than detection"
            elif name in {"lr0", "momentum"} and self._live_optimizers(parameter, optimizers) >= {"auto"}:
                yield f"space.{name}: optimizer=auto ignores it; set train.optimizer or search space.optimizer"
            elif name == "warmup_momentum" and self._live_optimizers(parameter, optimizers) <= ADAM_FAMILY:
                yield f"space.{name}: has no effect under {sorted(optimizers)}"
            elif name in MOSAIC_FAMILY and self._smallest("close_mosaic", settings) >= epochs:
                closing = self._smallest("close_mosaic", settings)
                yield (
                    f"space.{name}: close_mosaic < max_epochs must hold, but got close_mosaic={closing:g}, "
                    f"max_epochs={epochs}: mosaic, mixup and cutmix would be off from the first epoch"
                )

    @staticmethod
    def _live_optimizers(parameter: Parameter, optimizers: set[str]) -> set[str]:
        condition = parameter.when.get("optimizer")
        return {str(value).lower() for value in condition} if condition else optimizers

    def _values(self, name: str, settings: Mapping[str, ParamValue]) -> tuple[ParamValue, ...]:
        parameter = self.parameters.get(name)
        if isinstance(parameter, Choice):
            return parameter.choices
        return (settings[name],)

    def _smallest(self, name: str, settings: Mapping[str, ParamValue]) -> float:
        parameter = self.parameters.get(name)
        if isinstance(parameter, Real | Integer):
            return parameter.low
        return min(float(value) for value in self._values(name, settings))


def exists(parameter: Parameter, params: Params) -> bool:
    """Tell whether a parameter is drawn, given the params drawn before it."""
    return all(params.get(parent) in values for parent, values in parameter.when.items())
