"""Which of the models that exist ships."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that was trained to the end as asked."""

    name: str
    side: str
    on_val: float
    weights: Path


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the best on val; of equals the first."""
    return max(candidates, key=lambda one: one.on_val)
