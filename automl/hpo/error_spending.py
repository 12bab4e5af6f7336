"""Error spending: looks that divide the allowed error among them (Bonferroni). Pure."""

from collections.abc import Sequence
from math import sqrt
from typing import Final

from automl.hpo.looks import OPENING_SEEDS
from automl.hpo.rounds import Round

EARLY_SHARE: Final = 0.2
"""Share of the error that each look before the last one spends; the last one spends the rest."""
RESERVE: Final = 0.1
"""Share of the remaining error that a last look reserves in case `confirm.retrainings` is raised later."""


def last_share(rounds: Sequence[Round]) -> float:
    """Return the share of the error that a last look after these rounds spends.

    Looks of one level spend all but the reserve together.
    """
    planned = 1 - RESERVE if any(played.planned for played in rounds) else 0.0
    return (1 - planned - sum(played.share for played in rounds if not played.planned)) * (1 - RESERVE)


def width(plan: tuple[int, int]) -> float:
    """Return the standard error of a difference of means in units of the noise."""
    return sqrt(sum(1 / count for count in plan))


def plans(judged: int, default: int, left: int) -> list[tuple[int, int]]:
    """Return the useful seed counts of both sides, for up to `left` further re-trainings.

    Both sides get the same number, unless the default has more and `left` is too small to balance it.

    >>> plans(3, 3, 4)
    [(4, 4), (5, 5)]
    >>> plans(0, 3, 5)
    [(3, 3), (4, 4)]
    >>> plans(1, 6, 3)
    [(4, 6)]
    """
    found, plan = [], (judged, default)
    for _ in range(left):
        plan = (plan[0] + 1, plan[1]) if plan[0] < plan[1] else (plan[0], plan[1] + 1)
        found.append(plan)
    sound = [plan for plan in found if min(plan) >= OPENING_SEEDS]
    return [plan for plan in sound if plan[0] == plan[1]] or sound[-1:]
