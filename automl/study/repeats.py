"""Check of the search space against the budget: a small space has fewer params than the study has trials."""

from collections.abc import Iterator
from typing import Final

from automl.study.space import SearchSpace

MOST_COUNTED: Final = 20_000
"""Params that are counted; a space of more is not called small."""


def warnings(space: SearchSpace, trials: int) -> Iterator[str]:
    """Yield a warning with its remedy where trials must repeat params."""
    most = min(trials, MOST_COUNTED)
    if (found := space.distinct(most)) < most:
        yield (
            f"space: has {found} different params for {trials} trials, so that {trials - found} repeat one on another "
            f"seed; --set budget.trials={found}, or a larger space"
        )
