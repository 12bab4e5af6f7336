"""Pareto fronts of accuracy against cost: the front, a ranking by fronts, and the point that ships. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

Quality = tuple[float, ...]
"""What is compared among points of one cost, higher is better, such as value, negative loss and order of arrival."""


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


def fronts(points: Sequence[tuple[float, Quality]]) -> list[list[int]]:
    """Return the indices of all points by non-dominated sorting: the front, that of the rest, and so on.

    Each by ascending cost. Points of one cost are in different fronts unless they are equal in all.

    >>> fronts([(1, (0.5,)), (2, (0.4,)), (2, (0.7,)), (3, (0.7,)), (1, (0.2,))])
    [[0, 2], [4, 1, 3]]
    """
    found: list[list[int]] = []
    tops: list[Quality] = []  # negative quality of the best point so far of each front, ascending
    keyed = [(cost, tuple(-part for part in quality)) for cost, quality in points]
    for index in sorted(range(len(points)), key=lambda place: keyed[place]):
        own = keyed[index][1]
        layer = bisect_right(tops, own)
        if layer == len(tops):
            found.append([])
            tops.append(own)
        found[layer].append(index)
        tops[layer] = own
    return found


def ranking(points: Sequence[tuple[float, Quality]]) -> list[int]:
    """Return the indices of all points, best first: by front, in each the best and the cheapest first, then between.

    The order of multi-objective successive halving (Schmucker et al. 2021, arXiv:2106.12639): non-dominated sorting,
    within a front an epsilon-net, here on the ranks of the costs.

    >>> ranking([(1, (0.1,)), (2, (0.2,)), (3, (0.3,)), (4, (0.4,)), (4, (0.3,))])
    [3, 0, 1, 2, 4]
    """
    return [layer[place] for layer in fronts(points) for place in _spread(len(layer))]


def _spread(count: int) -> Iterator[int]:
    """Yield 0 to `count` - 1: the last, the first, then each time the middle of the widest gap.

    >>> list(_spread(5))
    [4, 0, 2, 1, 3]
    """
    taken = [place for place in dict.fromkeys((count - 1, 0)) if place >= 0]
    yield from taken
    taken.sort()
    while len(taken) < count:
        left = max(range(len(taken) - 1), key=lambda place: taken[place + 1] - taken[place])
        middle = (taken[left] + taken[left + 1]) // 2
        taken.insert(left + 1, middle)
        yield middle


def cheapest_within(points: Sequence[tuple[float, float]], tolerance: float) -> int:
    """Return the index of the cheapest point whose value is at most `tolerance` below the best; of ties the best one.

    >>> cheapest_within([(1, 0.40), (2, 0.495), (3, 0.5)], 0.01), cheapest_within([(1, 0.5), (2, 0.6)], 0)
    (1, 1)
    """
    least = max(value for _, value in points) - tolerance
    near = [index for index, (_, value) in enumerate(points) if value >= least]
    return min(near, key=lambda index: (points[index][0], -points[index][1], index))
