"""Pareto front of accuracy against cost. Pure."""

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indices of the points that no other dominates, by ascending cost.

    A point is (cost, value): another dominates it that costs no more and is worth no less, and differs in one of them.
    Of equal points the first is kept.

    >>> front([(1, 0.5), (2, 0.4), (2, 0.7), (3, 0.7), (1, 0.5)])
    [0, 2]
    """
    found: list[int] = []
    for index in sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1], place)):
        if not found or points[index][1] > points[found[-1]][1]:
            found.append(index)
    return found
