"""Check that the params of a user have a structure that no constraint excludes."""

from collections.abc import Sequence

from automl.storage.journal import Journal
from automl.study import Params, structure
from automl.study.errors import StudyError
from automl.study.objective import Constraint, Cost
from automl.study.text import shown


def check(params: Params, allowed: Sequence[Params], constraints: Sequence[Constraint]) -> None:
    """Check params against the structures that are allowed; empty: all are.

    Raises:
        StudyError: theirs is not among them.
    """
    if allowed and constraints and not any(structure.has(params, one) for one in allowed):
        laws = " and ".join(one.text for one in constraints)
        names = dict.fromkeys(name for one in allowed for name in one)
        own = {name: params[name] for name in names if name in params}
        held = "; ".join(shown(one) for one in allowed)
        raise StudyError(f"enqueued params: {laws} must hold, but {shown(own)} breaks it; allowed: {held}")


def check_measured(
    params: Params, journal: Journal, *, constraints: Sequence[Constraint], costs: Sequence[Cost]
) -> None:
    """Check params against the structures that a journal has measured; before the measurement nothing is known.

    Raises:
        StudyError: theirs breaks a constraint.
    """
    names = {cost.target for cost in costs}
    with journal.interpreted():
        found = [one for one in structure.measured_in(journal.notes()) if names <= one.footprints.keys()]
    allowed = [one.params for one in found if not one.broken(constraints)]
    check(params, allowed, constraints)
