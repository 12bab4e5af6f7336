"""Retry limits of trials that lost their worker, by kind of loss. Pure.

Node losses do not count as failures, up to NODES in a row at one epoch. A trial fails when its process dies or hangs
more often than `resources.retries` in a row at one epoch, when it is ended twice because memory ran out, or when its
training fails more often than `resources.own_retries`. One that shares a GPU gets a larger share each time that memory
ran out, and ends only after it had the GPU for itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2
from typing import Final

from automl.study import Ending, EndReason, Kind, Loss

MEMORY: Final = "out of memory"
"""Prefix of the cause of a failure that makes params infeasible on these machines."""
TWICE: Final = 2
NODES: Final = 20
"""Nodes lost in a row at one epoch after which the trial is taken to be the cause."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Retry limits of a trial."""

    lost: int
    """Process deaths and hangs in a row, without a finished epoch in between."""
    own: int
    """Failures of the training itself."""


def share(gpus: float, losses: Sequence[Loss]) -> float:
    """Return the GPU share of the next attempt: doubled each time that memory ran out, up to a whole GPU.

    Fewer trials beside it leave it more memory, of the GPU and of the node.

    >>> share(0.25, [Loss(Kind.MEMORY, "gone")]), share(0.75, [Loss(Kind.MEMORY, "gone")]), share(0.25, [])
    (0.5, 1.0, 0.25)
    """
    kills = sum(loss.kind is Kind.MEMORY for loss in losses)
    return min(gpus * 2**kills, 1.0) if 0 < gpus < 1 else gpus


def share_at(gpus: float, losses: Sequence[Loss], epoch: int) -> float:
    """Return the GPU share with which an epoch was trained.

    >>> grown = [Loss(Kind.MEMORY, "gone", epoch=2)]
    >>> share_at(0.25, grown, 2), share_at(0.25, grown, 3)
    (0.25, 0.5)
    """
    return share(gpus, [loss for loss in losses if loss.epoch < epoch])


def kills_allowed(gpus: float) -> int:
    """Return after how many losses of memory a trial ends whose first share was `gpus`: once it had a whole GPU.

    >>> kills_allowed(0.125), kills_allowed(0.3333), kills_allowed(0.5), kills_allowed(1), kills_allowed(0)
    (4, 3, 2, 2, 2)
    """
    return max(TWICE, 1 + ceil(-log2(gpus))) if 0 < gpus < 1 else TWICE


def loss_of(failure: Ending, node: str = "") -> Loss:
    """Return the loss of a training that failed in a way that may be transient."""
    kind = Kind.MEMORY if failure.reason is EndReason.MEMORY else Kind.OWN
    return Loss(kind, failure.cause, node=node)


def ending(losses: Sequence[Loss], budget: Budget, *, gpus: float = 0.0) -> Ending | None:
    """Return how a trial ends after its last loss, None while it may be retried; `gpus` was its first share.

    >>> ending([Loss(Kind.NODE, "gone")] * 9, Budget(lost=0, own=0))
    """
    last = losses[-1]
    alike = [loss for loss in losses if loss.kind is last.kind]
    if last.kind is Kind.OWN:
        return Ending(cause=last.cause) if len(alike) > budget.own else None
    if last.kind is Kind.MEMORY:
        times = "for the second time" if len(alike) == TWICE else f"{len(alike)} times"
        cause = f"{MEMORY}: {last.cause.removeprefix(f'{MEMORY}: ')}, {times}"
        return Ending(cause=cause, kind=EndReason.MEMORY) if len(alike) >= kills_allowed(gpus) else None
    kinds, most = ({Kind.NODE}, NODES) if last.kind is Kind.NODE else ({Kind.WORKER, Kind.HUNG}, budget.lost)
    row = sum(loss.epoch == last.epoch for loss in losses if loss.kind in kinds)
    cause = f"worker lost {row} times in a row at epoch {last.epoch + 1}: {last.cause}"
    return Ending(cause=cause, kind=EndReason.LOST) if row > most else None
