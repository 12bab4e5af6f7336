"""Portfolio: params that were good on other data sets, tried right after the default (zero-shot configurations).

`search_spaces/portfolio.yaml` holds them with their origin; `benchmarks/portfolio.py` chose them greedily (Wistuba et
al. 2015, doi:10.1109/DSAA.2015.7344817; Feurer et al. 2022, arXiv:2007.04074).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.study import Params
from automl.study.errors import SpecError
from automl.study.shipped_spaces import folder
from automl.study.space import SearchSpace
from automl.study.text import shown
from automl.study.yaml_io import read_yaml

FILE: Final = "portfolio.yaml"
CLOSED: Final = "closed"
"""Share of the epochs without mosaic: `close_mosaic` of a study with another number of epochs follows from it."""


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The members, best first, and where they come from."""

    members: tuple[Params, ...]
    origin: str


def shipped(path: Path | None = None) -> Portfolio:
    """Return the portfolio that is shipped.

    Raises:
        SpecError: the file is damaged.
    """
    path = path or folder() / FILE
    raw = read_yaml(path)
    members, origin = raw.get("members"), raw.get("origin")
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise SpecError([f"{path}: members: must be a list of params, but got {type(members).__name__}"])
    if not isinstance(origin, dict):
        raise SpecError([f"{path}: origin: must hold tasks, commit and date, but got {type(origin).__name__}"])
    text = f"{len(origin.get('tasks', ()))} tasks, commit {origin.get('commit')}, {origin.get('date')}"
    return Portfolio(tuple(members), text)


def fitted(
    members: Sequence[Params], space: SearchSpace, *, epochs: int, known: Sequence[Params]
) -> tuple[Params, ...]:
    """Return the members that a space allows, in its own parameters; `known` params are not tried again.

    A parameter that a member does not name has its default. A member with a value outside its range is left out, and
    one that is the same as another in this space.

    >>> from automl.study.space import Real
    >>> space = SearchSpace({"mosaic": Real(0.0, 1.0, default=1.0)})
    >>> fitted([{"mosaic": 0.2, "freeze": 4}, {"mosaic": 2.0}, {"mosaic": 1.0}], space, epochs=9, known=[{"mosaic": 1}])
    ({'mosaic': 0.2},)
    """
    found: list[Params] = []
    for member in members:
        wanted = {**member, **_closing(member, epochs)}
        params = space.nearest(wanted)
        inside = all(wanted.get(name, value) == value for name, value in params.items())
        if inside and params not in [*known, *found]:
            found.append(params)
    return tuple(found)


def _closing(member: Params, epochs: int) -> dict[str, Any]:
    share = member.get(CLOSED)
    return {} if not isinstance(share, int | float) else {"close_mosaic": round(share * epochs)}


def summary(chosen: Sequence[Params], origin: str) -> str:
    """Return the line of `automl check` and of the log on the portfolio."""
    text = "; ".join(shown(params) for params in chosen) or "none that this space allows"
    return f"portfolio: {len(chosen)} params of other data sets follow the default ({origin}): {text}"
