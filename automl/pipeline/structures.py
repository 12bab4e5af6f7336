"""Structures stage: measure what each model and image size of a space costs, before the first trial.

Latency and size depend on the structure alone, so each is measured once, untrained, one after another while nothing
trains beside, and kept in the journal. Structures that break a constraint are never drawn.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from automl import cluster
from automl.data import staging
from automl.pipeline import target_nodes
from automl.pipeline.search import run_context
from automl.pipeline.session import Session
from automl.release import end_to_end
from automl.study import Params, structure
from automl.study.errors import StudyError
from automl.study.objective import Constraint, Cost
from automl.study.structure import MeasuredStructure, Structure
from automl.trainers import trainer_of

LOG: Final = logging.getLogger(__name__)

FOLDER: Final = "structures"
"""Folder that the jobs of untrained models name; nothing is written there."""


def allowed(session: Session, slots: cluster.Slots) -> tuple[tuple[Params, ...], tuple[float, ...]]:
    """Return the structures that no constraint excludes, the dearest first, as params, and their second objective.

    The former are empty if nothing is measured, the latter without a second objective. Those that are not in the
    journal are measured first.

    Raises:
        StudyError: every structure breaks a constraint.
        ExportError: a structure cannot be measured.
    """
    spec = session.spec
    if not spec.costs:
        return (), ()
    found = measured(session, slots)
    kept = [one for one in found if not one.broken(spec.constraints)]
    if not kept:
        raise StudyError(*_none(session.folder, found, spec.constraints, spec.costs))
    kept.sort(key=lambda one: -one.cost(spec.costs[0]))
    second = spec.second
    return tuple(one.params for one in kept), tuple(one.cost(second) for one in kept) if second else ()


def measured(session: Session, slots: cluster.Slots) -> list[MeasuredStructure]:
    """Return all structures of the space, measured on the targets that the objective names."""
    spec, names = session.spec, {cost.target for cost in session.spec.costs}
    timed = any(cost.quantity == "end_to_end_ms" for cost in spec.costs)
    pictures = staging.images_of(session.staged, split="val")[: end_to_end.PICTURES] if timed else []
    with session.journal.interpreted():
        known = {one.structure: one for one in structure.measured_in(session.journal.notes())}
    found: list[MeasuredStructure] = []
    choices = structure.assignments(spec.search_space)
    for number, params in enumerate(choices, 1):
        job = run_context(session, slots).job(session.folder / FOLDER, number=0, params=params, seed=spec.seed)
        one = Structure(str(params.get("model", spec.model)), trainer_of(job).image_size(job))
        if one in known and names <= known[one].footprints.keys():
            found.append(known[one])
            continue
        LOG.info(f"structure {number} of {len(choices)}: measuring {one.name}, untrained")
        costs = target_nodes.measure(job, spec.built_for, names, pictures, slots)
        for target, cost in costs.items():
            session.journal.note(structure.note_of(one, target), structure.note(params, cost))
        found.append(MeasuredStructure(params, one, costs))
        LOG.info(f"structure {found[-1].summary(spec.costs, spec.constraints)}")
    return found


def _none(
    folder: Path,
    found: Sequence[MeasuredStructure],
    constraints: Sequence[Constraint],
    costs: Sequence[Cost],
) -> Iterator[str]:
    """Yield the lines of the message of a study without an allowed structure."""
    laws = " and ".join(one.text for one in constraints)
    yield (
        f"{folder}: objective.constraints: {laws} must hold for a model and image size of the space, but none holds it:"
    )
    yield from (f"  {one.summary(costs, ())}" for one in found)
    yield "raise the limit, or add a smaller model or imgsz, in a new study with another --name"
