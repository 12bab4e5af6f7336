"""What ships of a study with a second objective: the cheapest structure within the tolerance of the best.

Decided after the search on val, and kept in the journal. Only its models are confirmed and may ship.
"""

import logging
from collections.abc import Sequence
from typing import Final

from automl.hpo import pareto
from automl.storage.journal import Journal
from automl.study import Params, State, Trial, structure
from automl.study.spec import StudySpec
from automl.study.structure import SHIPS
from automl.tracking import structure_table
from automl.tracking.structure_table import StructureRow

LOG: Final = logging.getLogger(__name__)


def decide(journal: Journal, spec: StudySpec, trials: Sequence[Trial]) -> None:
    """Record in the journal which structure ships, and log why; nothing without a second objective.

    If no trial was trained to the end, every structure may ship.
    """
    notes = journal.notes()
    if spec.second is None:
        return
    rows = structure_table.rows(spec, notes, trials)
    whole = {trial.number for trial in trials if trial.state is State.COMPLETED}
    reached = [row for row in rows if row.trial in whole and row.best is not None]
    found = None
    if reached:
        cost = spec.second.text
        points = [(row.costs[cost], row.best or 0.0) for row in reached]
        row = reached[pareto.cheapest_within(points, spec.goal.tolerance)]
        params = next(
            one.params for one in structure.measured_in(notes)
            if (one.structure.model, one.structure.imgsz) == (row.model, row.imgsz)
        )  # fmt: skip
        best = max(reached, key=lambda one: one.best or 0.0)
        found = {"params": dict(params), "text": _text(row, best, cost=cost, tolerance=spec.goal.tolerance)}
    if notes.get(SHIPS) != found:
        journal.note(SHIPS, found)
        if found:
            LOG.info(found["text"])


def _text(row: StructureRow, best: StructureRow, *, cost: str, tolerance: float) -> str:
    """Return the rule and what it chose."""
    rule = f"the cheapest within {tolerance:g} of the best" if tolerance else "the most accurate"
    text = f"ships: {rule}: {row.name}, {cost} {row.costs[cost]:.4g}, {row.best:.4f} on val (trial {row.trial})"
    if row == best:
        return text
    return f"{text}; the best is {best.name}, {best.costs[cost]:.4g}, {best.best:.4f} (trial {best.trial})"


def fits(journal: Journal, params: Params) -> bool:
    """Return True if a model of these params may ship."""
    return structure.has(params, _shipping(journal))


def fitting(journal: Journal, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials whose models may ship."""
    wanted = _shipping(journal)
    return [trial for trial in trials if structure.has(trial.params, wanted)]


def _shipping(journal: Journal) -> Params:
    """Return the params of the structure that ships; none where every structure may."""
    found = journal.notes().get(SHIPS)
    with journal.interpreted():
        return found["params"] if found else {}


def with_baseline(journal: Journal, trials: Sequence[Trial]) -> list[Trial]:
    """Return the baseline's trial, which is the first, and all others whose models may ship."""
    return [trials[0], *(trial for trial in fitting(journal, trials) if trial.number != trials[0].number)]
