"""Structures of a study's models: model and image size, and what each costs on a target. Pure.

A structure is a point of the parameters `model` and `imgsz` of a space. They are choices, so that all structures of a
study can be listed, and measured before the first trial.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.study.footprint import Footprint
from automl.study.objective import Constraint, Cost
from automl.study.space import Choice, Parameter, SearchSpace, live, parts
from automl.study.trial import Params, ParamValue

STRUCTURAL: Final = ("model", "imgsz")
"""Parameters that decide how long a model takes."""
TRAINED: Final = (*STRUCTURAL, "batch")
"""Parameters that decide what memory and time a training takes."""
NOTE: Final = "structure:"
"""Begin of the journal keys of the measured structures."""
SHIPS: Final = "ships"
"""Journal key of the structure that ships, with `params` and `text`, where there is a second objective."""


@dataclass(frozen=True, slots=True)
class Structure:
    """What decides the cost of a model, whatever its weights."""

    model: str
    imgsz: int
    """Edge of the square input, in pixels."""

    @property
    def name(self) -> str:
        """Return it as text: `yolo11n.yaml at 640 px`."""
        return f"{Path(self.model).name} at {self.imgsz} px"


@dataclass(frozen=True, slots=True)
class MeasuredStructure:
    """A structure and what it costs on each target."""

    params: Params
    """The params of a trial that has it; see `assignments`."""
    structure: Structure
    footprints: Mapping[str, Footprint]

    def cost(self, cost: Cost) -> float:
        """Return one quantity on its target; infinite if it was not measured, so that it breaks each limit."""
        value = self.footprints[cost.target].cost(cost.quantity)
        return math.inf if value is None else value

    def broken(self, constraints: Sequence[Constraint]) -> list[Constraint]:
        """Return the constraints that it breaks."""
        return [one for one in constraints if self.cost(one.cost) > one.limit]

    def summary(self, costs: Sequence[Cost], constraints: Sequence[Constraint]) -> str:
        """Return what it costs and which constraints it breaks, as text."""
        values = ", ".join(f"{cost.text} {self.cost(cost):.4g}" for cost in costs)
        laws = " and ".join(one.text for one in self.broken(constraints))
        return f"{self.structure.name}: {values}{f'; not tried, since it breaks {laws}' if laws else ''}"


def assignments(space: SearchSpace, names: Sequence[str] = STRUCTURAL) -> list[dict[str, ParamValue]]:
    """Return each combination of the structural parameters and of the choices that their conditions name.

    Of a parameter that is no choice, such as a range of batches, the largest value counts.

    >>> size = Choice((320, 640), 640, when={"model": ("b",)})
    >>> assignments(SearchSpace({"model": Choice(("a", "b"), "a"), "imgsz": size}))
    [{'model': 'a'}, {'model': 'b', 'imgsz': 320}, {'model': 'b', 'imgsz': 640}]
    """
    return list(_assigned([*_deciding(space, names).items()], {}))


def _deciding(space: SearchSpace, names: Sequence[str]) -> dict[str, Parameter]:
    """Return the structural parameters and those that decide whether they exist, in the order of the space."""
    wanted = {name for name in names if name in space.parameters}
    for name in reversed([*space.parameters]):  # a parent precedes its children
        if name in wanted:
            wanted |= {parent for part in parts(space.parameters[name]) for parent in part.when}
    return {name: parameter for name, parameter in space.parameters.items() if name in wanted}


def _assigned(rest: Sequence[tuple[str, Parameter]], params: Params) -> Iterator[dict[str, ParamValue]]:
    if not rest:
        yield dict(params)
        return
    (name, parameter), *others = rest
    part = live(parameter, params)
    if part is None:
        yield from _assigned(others, params)
        return
    if not isinstance(part, Choice):
        yield from _assigned(others, {**params, name: part.high})
        return
    for value in part.choices:
        yield from _assigned(others, {**params, name: value})


def moved(space: SearchSpace, params: Params, assignment: Params) -> dict[str, ParamValue]:
    """Return params with another structure; what does not exist there is left out, what is new has its default.

    Params that are no point of the space keep what the structure does not name.
    """
    if not space.contains(params):
        return {**params, **assignment}
    return space.nearest({**params, **assignment})


def has(params: Params, assignment: Params) -> bool:
    """Return True if params have the structure of an assignment."""
    return all(params.get(name) == value for name, value in assignment.items())


def note_of(structure: Structure, target: str) -> str:
    """Return the journal key of a structure that was measured on a target."""
    return f"{NOTE}{target}:{structure.imgsz}:{structure.model}"


def note(params: Params, footprint: Footprint) -> dict[str, Any]:
    """Return the journal's record of a structure on a target."""
    return {"params": dict(params), **footprint.to_dict()}


def measured_in(notes: Mapping[str, Any]) -> list[MeasuredStructure]:
    """Return the structures in a journal's notes."""
    found: dict[Structure, MeasuredStructure] = {}
    for key, plain in notes.items():
        if key.startswith(NOTE):
            target, imgsz, model = key.removeprefix(NOTE).split(":", 2)
            structure, footprint = Structure(model, int(imgsz)), Footprint.from_dict(plain)
            before = found[structure].footprints if structure in found else {}
            found[structure] = MeasuredStructure(dict(plain["params"]), structure, {**before, target: footprint})
    return list(found.values())
