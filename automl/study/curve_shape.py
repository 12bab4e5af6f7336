"""Shape of a learning curve: whether a loss oscillates."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean
from typing import Final

WINDOW: Final = 8
"""Epochs looked at: fewer cannot tell an oscillation from one bad epoch."""
TURNS: Final = 5
"""Changes of direction among the six that eight epochs can have; noise around a slope has four on average."""
SWING: Final = 0.08
"""Mean step from epoch to epoch, as a share of the mean loss."""


def oscillates(losses: Sequence[float]) -> bool:
    """Return True if a loss went up and down over its last eight epochs by a share that its slope does not explain.

    >>> oscillates([1.0, 2.0] * 4), oscillates([8, 7, 6, 5, 4, 3, 2, 1]), oscillates([1.0, 2.0])
    (True, False, False)
    """
    last = losses[-WINDOW:]
    if len(last) < WINDOW:
        return False
    steps = [after - before for before, after in pairwise(last)]
    turns = sum(one * other < 0 for one, other in pairwise(steps))
    return turns >= TURNS and fmean(map(abs, steps)) > SWING * fmean(map(abs, last))
