"""Whether a trial that lost its worker is worth another try. Pure: losses in, a verdict out.

What takes a trial from its worker says little about its params, so each kind has a budget of its own: a node that is
gone costs the trial nothing, unless it takes one after the other with it; a process that dies again and again without
finishing an epoch will do so for ever; memory that runs out twice, or a training that fails by itself more often than
agreed, is the trial's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from automl.study import LOST, Kind, Loss

MEMORY: Final = "out of memory"
"""How the cause of a failure begins that makes params infeasible on these machines."""
TWICE: Final = 2
NODES: Final = 20
"""Nodes lost in a row at one epoch after which it is the trial that brings them down."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a trial may lose."""

    lost: int
    """How often in a row, without an epoch finished in between, its process may die or hang."""
    own: int
    """How often its training may fail by itself."""


def verdict(losses: Sequence[Loss], budget: Budget) -> str:
    """Return the cause that ends a trial after its last loss, empty while it may go on.

    >>> verdict([Loss(Kind.NODE, "gone")] * 9, Budget(lost=0, own=0))
    ''
    """
    last = losses[-1]
    alike = [loss for loss in losses if loss.kind is last.kind]
    if last.kind is Kind.OWN:
        return last.cause if len(alike) > budget.own else ""
    if last.kind is Kind.MEMORY:
        return f"{MEMORY}: {last.cause}, for the second time" if len(alike) >= TWICE else ""
    kinds, most = ({Kind.NODE}, NODES) if last.kind is Kind.NODE else ({Kind.WORKER, Kind.HUNG}, budget.lost)
    row = sum(loss.epoch == last.epoch for loss in losses if loss.kind in kinds)
    return f"{LOST} {row} times in a row at epoch {last.epoch + 1}: {last.cause}" if row > most else ""
