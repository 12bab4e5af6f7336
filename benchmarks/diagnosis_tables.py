"""Tables of `diagnosis.py` in Markdown: planted faults by name, healthy trainings by data set."""

from collections.abc import Mapping, Sequence
from typing import Any

from scipy.stats import binomtest

Counts = tuple[int, int]
"""Hits, and of how many."""


def interval(hits: int, count: int) -> str:
    """Return the exact 95% interval (Clopper and Pearson, 1934) of a share.

    >>> interval(19, 20)
    '75% to 100%'
    """
    found = binomtest(hits, count).proportion_ci(0.95, method="exact")
    return f"{found.low:.0%} to {found.high:.0%}"


def counted(pairs: Sequence[tuple[str, bool]]) -> dict[str, Counts]:
    """Return hits and number by name.

    >>> counted([("a", True), ("b", False), ("a", False)])
    {'a': (1, 2), 'b': (0, 1)}
    """
    found: dict[str, Counts] = {}
    for name, hit in sorted(pairs):
        hits, count = found.get(name, (0, 0))
        found[name] = hits + hit, count + 1
    return found


def table(head: str, hits: str, halves: Sequence[Mapping[str, Counts]]) -> str:
    """Return a table with a line by name and one of the sum: counts of both halves, the interval of the last."""
    lines = [f"| {head} | {hits}, tuning half | {hits}, judged half | 95% interval |", "| --- | --- | --- | --- |"]
    sums: list[Any] = [
        {"**all**": tuple(map(sum, zip(*half.values(), strict=True)))} if half else {} for half in halves
    ]
    for part in (halves, sums):
        for name in sorted({name for half in part for name in half}):
            cells = ["/".join(map(str, half[name])) if name in half else "" for half in part]
            last = interval(*part[-1][name]) if name in part[-1] else ""
            lines.append(f"| {name} | {' | '.join(cells)} | {last} |")
    return "\n".join(lines)
