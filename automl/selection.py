"""Model selection: which of a study's trained models ships. Pure.

Every model trained to the last epoch competes, those of the search and the re-trainings, whatever the verdict on the
params: the seed is a part of a model's quality, and val shows it. In `benchmarks/shipping.py` this ships 0.004 mAP50-95
more than the best re-training and 0.001 more than the best model of the params with the highest mean (the latter is
better by about 0.001 where val has three times the noise of the seeds); shrinking to the mean of a model's params gains
0.0001. The value on val of the chosen model is optimistic, since it was chosen by it: judge it on another split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model that may ship."""

    name: str
    """`trial 7`, `trial7_seed1000002`, `default_seed1000000`."""
    side: str
    """The params it was trained with: `trial7`, `default`."""
    on_val: float
    """The objective of its best weights on the validation split."""
    weights: Path


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the candidate that is best on the validation split, the earlier one of equals.

    Raises:
        ValueError: there is no candidate.
    """
    if not candidates:
        raise ValueError("candidates: must be at least one model, but got none")
    return max(candidates, key=lambda candidate: candidate.on_val)
