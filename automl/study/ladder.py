"""The ladder of rungs: epochs at which trials are compared, and the cost of a study. Pure, in integers."""

from dataclasses import dataclass
from typing import Final

WEIGHTS: Final = ".pt"
"""Suffix of a model that starts from weights."""
FINE_TUNED_RUNG: Final = 3
SCRATCH_RUNG: Final = 6
"""The first rung of a study that names none (`benchmarks/README.md`, decision 41)."""


def first_rung(model: object, max_epochs: object) -> int:
    """Return the first rung by the start weights: a model that learns from random weights ranks later.

    >>> first_rung("yolo11n.pt", 100), first_rung("micro.yaml", 100), first_rung("micro.yaml", 4)
    (3, 6, 4)
    """
    rung = FINE_TUNED_RUNG if isinstance(model, str) and model.endswith(WEIGHTS) else SCRATCH_RUNG
    return min(rung, max_epochs) if isinstance(max_epochs, int) and max_epochs > 0 else rung


def ladder(min_epochs: int, max_epochs: int, reduction_factor: int) -> tuple[int, ...]:
    """Return the epochs at which trials are compared, all below `max_epochs`.

    After the first, a rung in the second half is left out: it would stop trials that are nearly paid for.

    >>> ladder(4, 100, 3)
    (4, 12, 36)
    >>> ladder(10, 100, 3)
    (10, 30)
    >>> ladder(6, 6, 3)
    ()
    """
    epochs: list[int] = []
    epoch = min_epochs
    while 2 * epoch <= max_epochs or (not epochs and epoch < max_epochs):
        epochs.append(epoch)
        epoch *= reduction_factor
    return tuple(epochs)


def seats(standing: int, reduction_factor: int) -> int:
    """Return how many trials of a rung advance: one in `reduction_factor`, rounded up.

    >>> seats(7, 3)
    3
    """
    return -(-standing // reduction_factor)


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of a study, in epochs of training."""

    trials: int
    fewest: int
    """Every trial but one is pruned at the first rung."""
    most: int
    """No trial is pruned."""
    expected: int
    """Each rung lets one in `reduction_factor` advance."""
    confirming: int
    """The re-trainings of the challenger and the default."""


def cost(trials: int, rungs: tuple[int, ...], *, max_epochs: int, reduction_factor: int, retrainings: int) -> Cost:
    """Return the minimum, maximum and expected cost of a study.

    >>> cost(9, (4,), max_epochs=12, reduction_factor=3, retrainings=4)
    Cost(trials=9, fewest=44, most=108, expected=60, confirming=48)
    """
    left, spent, before = trials, 0, 0
    for rung in rungs:
        spent += left * (rung - before)
        before, left = rung, seats(left, reduction_factor)
    first = rungs[0] if rungs else max_epochs
    return Cost(
        trials=trials,
        fewest=first * (trials - 1) + max_epochs,
        most=trials * max_epochs,
        expected=spent + left * (max_epochs - before),
        confirming=retrainings * max_epochs,
    )
