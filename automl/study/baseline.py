"""The baseline: the configuration of a plain `yolo train`, in the terms of a study's space. Pure.

It is trial 0 and a side of every confirmation. Conditions of the study (model, image size, batch, ...) apply to it as
to every trial; hyperparameters are Ultralytics' own (docs/decisions/0022).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from automl.study.space import SearchSpace, live
from automl.study.trial import Params


@dataclass(frozen=True, slots=True)
class Baseline:
    """Hyperparameters of trial 0."""

    params: Params
    """A point of the space; where the space does not contain the baseline, every setting in which it differs from the
    description, searched or fixed."""
    inside: bool
    """Whether the space contains it."""
    settings: Params
    """All hyperparameters as explicit values, including those that `optimizer=auto` resolves to."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"params": dict(self.params), "inside": self.inside, "settings": dict(self.settings)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        return cls(dict(plain["params"]), bool(plain["inside"]), dict(plain["settings"]))


def baseline_of(
    space: SearchSpace, fixed: Mapping[str, Any], *, plain: Mapping[str, Any], resolved: Mapping[str, Any]
) -> Baseline:
    """Return the baseline of a study.

    Args:
        space: The search space.
        fixed: The description's fixed settings.
        plain: The trainer's default hyperparameters.
        resolved: The explicit settings that its automatic choice of the optimizer resolves to.
    """
    explicit = {**plain, **resolved}
    for values in (plain, explicit):
        point = _point(space, values)
        outside = {name for name in values if name not in space.parameters and _differs(name, values, fixed, plain)}
        if space.contains(point) and not outside - _ignored(values):
            return Baseline(point, inside=True, settings=explicit)
    differing = {name for name in explicit if name in space.parameters or _differs(name, explicit, fixed, plain)}
    conditions = {name: value for name, value in space.defaults().items() if name not in explicit}
    params = conditions | {name: value for name, value in explicit.items() if name in differing}
    return Baseline(params, inside=False, settings=explicit)


def _point(space: SearchSpace, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params of a space that match given hyperparameters; conditions keep their default."""
    point: dict[str, Any] = {}
    for name, parameter in space.parameters.items():
        if part := live(parameter, point):
            point[name] = values.get(name, part.default)
    return point


def _differs(name: str, values: Mapping[str, Any], fixed: Mapping[str, Any], plain: Mapping[str, Any]) -> bool:
    return bool(values[name] != fixed.get(name, plain[name]))


def _ignored(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the settings that an automatic choice of the optimizer overrides, whatever they are fixed at."""
    return frozenset({"lr0", "momentum", "warmup_bias_lr"}) if values["optimizer"] == "auto" else frozenset()
