"""Structures of a study with what they cost and reached, and the Pareto front of metric against cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl.hpo import pareto
from automl.study import State, Trial, structure
from automl.study.spec import StudySpec
from automl.study.structure import SHIPS, MeasuredStructure


@dataclass(frozen=True, slots=True)
class StructureRow:
    """One structure of a study."""

    name: str
    """Model and image size."""
    model: str
    imgsz: int
    costs: Mapping[str, float]
    """Cost as in the description, such as `latency_ms on cpu`, to value; the first is that of the front."""
    breaks: tuple[str, ...]
    """The constraints that it breaks; then it was not tried."""
    trials: int
    best: float | None
    """The best value on val of its trials, of those trained longest; None before any."""
    trial: int | None
    """The trial that has it."""
    epoch: int
    """The last epoch of that trial."""
    front: bool
    """Whether, of the structures with a trial trained to the last epoch, no other is better at no higher cost."""
    ships: bool = False
    """Whether it ships, where there is a second objective."""


def rows(spec: StudySpec, notes: Mapping[str, Any], trials: Sequence[Trial]) -> tuple[StructureRow, ...]:
    """Return the measured structures of a study, the cheapest first; empty where the objective names no cost."""
    if not spec.costs:
        return ()
    known = structure.measured_in(notes)
    names = {cost.target for cost in spec.costs}
    found = sorted(
        (one for one in known if names <= one.footprints.keys()),
        key=lambda one: (one.cost(spec.costs[0]), one.structure.name),
    )
    best = [_best(one, trials, spec.metric) for one in found]
    reached = [place for place, trial in enumerate(best) if trial and trial.state is State.COMPLETED]
    points = [(found[place].cost(spec.costs[0]), _value(best[place], spec.metric)) for place in reached]
    front = {reached[index] for index in pareto.front(points)}
    ships = notes.get(SHIPS)
    return tuple(
        StructureRow(
            name=one.structure.name,
            model=one.structure.model,
            imgsz=one.structure.imgsz,
            costs={cost.text: one.cost(cost) for cost in spec.costs},
            breaks=tuple(law.text for law in one.broken(spec.constraints)),
            trials=sum(structure.has(trial.params, one.params) for trial in trials),
            best=None if best[place] is None else _value(best[place], spec.metric),
            trial=getattr(best[place], "number", None),
            epoch=getattr(best[place], "epoch", 0),
            front=place in front,
            ships=structure.has(one.params, ships["params"]) if ships else False,
        )
        for place, one in enumerate(found)
    )


def _best(one: MeasuredStructure, trials: Sequence[Trial], metric: str) -> Trial | None:
    fair = [trial for trial in trials if trial.best(metric) is not None and not trial.changed]
    mine = [trial for trial in fair if structure.has(trial.params, one.params)]
    longest = max((_length(trial) for trial in mine), default=(False, 0))
    whole = [trial for trial in mine if _length(trial) == longest]
    return max(whole, key=lambda trial: (trial.best(metric) or 0.0, -trial.number), default=None)


def _length(trial: Trial) -> tuple[bool, int]:
    return trial.state is State.COMPLETED, trial.epoch


def _value(trial: Trial | None, metric: str) -> float:
    return (trial.best(metric) if trial else None) or 0.0


def lines(spec: StudySpec, notes: Mapping[str, Any], trials: Sequence[Trial]) -> list[str]:
    """Return the structures as lines for log and terminal; those on the Pareto front have a star."""
    found = rows(spec, notes, trials)
    if not found:
        return []
    head = f"structures, * on the Pareto front of {spec.objective_name} against {spec.costs[0].text}:"
    ships = notes.get(SHIPS)
    last = [ships["text"]] if ships else []
    return [head, *(_line(row, spec.objective_name, spec.ladder.max_epochs) for row in found), *last]


def _line(row: StructureRow, objective: str, epochs: int) -> str:
    costs = ", ".join(f"{name} {value:.4g}" for name, value in row.costs.items())
    if row.breaks:
        return f"    {row.name}: {costs}; not tried, breaks {' and '.join(row.breaks)}"
    trials = f"{row.trials} trial{'' if row.trials == 1 else 's'}"
    if row.best is None:
        return f"    {row.name}: {costs}; {trials}"
    at = "" if row.epoch == epochs else f" at epoch {row.epoch}"
    reached = f"best {objective} {row.best:.4f}{at} (trial {row.trial})"
    return f"  {'*' if row.front else ' '} {row.name}: {costs}; {trials}, {reached}"
