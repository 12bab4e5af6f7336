"""What every rival is told of a search before it starts, and how our spaces become theirs.

The rivals' spaces are flat: a conditional parameter is always drawn, and left out of the params where it does not
exist.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl.study import Params, ParamValue
from automl.study.space import Alternatives, SearchSpace, Single, live


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """One search to run."""

    space: SearchSpace
    max_epochs: int
    seed: int
    workers: int
    defaults_first: bool = False
    """Whether the default params are the first trial; else the rival starts as it pleases."""

    @property
    def first(self) -> list[dict[str, ParamValue]]:
        """Return the params that the rival is given to start with."""
        return [flat_defaults(self.space)] if self.defaults_first else []


def flat(space: SearchSpace) -> dict[str, Single]:
    """Return the parameters of a space in which each has one range, the only kind that the rivals know.

    Raises:
        ValueError: a parameter has several.
    """
    found = {name: kind for name, kind in space.parameters.items() if not isinstance(kind, Alternatives)}
    if several := sorted(space.parameters.keys() - found.keys()):
        raise ValueError(f"space: must have one range a parameter, but {several} have several")
    return found


def flat_defaults(space: SearchSpace) -> dict[str, ParamValue]:
    """Return the default of every parameter, those that do not exist under the others' defaults included.

    >>> from automl.study.space import Choice, Real
    >>> held = Real(0.5, 0.99, default=0.9, when={"optimizer": ["SGD"]})
    >>> flat_defaults(SearchSpace({"optimizer": Choice(("SGD", "AdamW"), "AdamW"), "momentum": held}))
    {'optimizer': 'AdamW', 'momentum': 0.9}
    """
    return {name: parameter.default for name, parameter in flat(space).items()}


def existing(space: SearchSpace, flat: Mapping[str, Any]) -> Params:
    """Return plain values of the parameters that exist under the ones before them."""
    params: dict[str, ParamValue] = {}
    for name, parameter in space.parameters.items():
        if live(parameter, params):
            value = flat[name]
            params[name] = value.item() if isinstance(value, np.generic) else value
    return params
