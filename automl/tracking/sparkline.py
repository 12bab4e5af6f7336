"""Sparkline: a learning curve as one word of Unicode blocks, or of ASCII where the terminal's encoding lacks them."""

from collections.abc import Sequence
from typing import Final

from automl.study import Trial

BLOCKS: Final = "▁▂▃▄▅▆▇█"
ASCII: Final = "_.-=+*%#"
MOST: Final = 8
"""Characters of a sparkline."""


def sparkline(values: Sequence[float], *, low: float, high: float) -> str:
    """Return values as blocks between `low` and `high`; of many values the last of each of 8 equal parts.

    >>> sparkline([0.0, 0.2, 0.5, 1.0], low=0.0, high=1.0), sparkline([0.3, 0.3], low=0.3, high=0.3)
    ('▁▂▅█', '▁▁')
    """
    count = min(len(values), MOST)
    picked = [values[(part + 1) * len(values) // count - 1] for part in range(count)]
    span = high - low
    return "".join(BLOCKS[_step((value - low) / span) if span > 0 else 0] for value in picked)


def _step(share: float) -> int:
    return min(max(round(share * (len(BLOCKS) - 1)), 0), len(BLOCKS) - 1)


def sparklines(trials: Sequence[Trial], metric: str) -> list[str]:
    """Return the validated epochs of each trial as a sparkline, all on one scale; empty before the first."""
    curves = [[m.metrics[metric] for m in trial.measurements if metric in m.metrics] for trial in trials]
    measured = [curve for curve in curves if curve]
    if not measured:
        return [""] * len(curves)
    low, high = min(map(min, measured)), max(map(max, measured))  # once: a million values for ten thousand trials
    return [sparkline(curve, low=low, high=high) for curve in curves]


def encodable(text: str, encoding: str) -> str:
    """Return a text with its blocks as ASCII where an encoding has none.

    >>> encodable("0.4 ▁▄█", "utf-8"), encodable("0.4 ▁▄█", "ascii")
    ('0.4 ▁▄█', '0.4 _=#')
    """
    try:
        BLOCKS.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(str.maketrans(BLOCKS, ASCII))
    return text
