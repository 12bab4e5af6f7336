"""Check of the search space against the budget: a small space has fewer params than the study has trials."""

from collections.abc import Iterator
from typing import Final

from automl.study.spec import StudySpec

MOST_COUNTED: Final = 20_000
"""Params that are counted; a space of more is not called small."""


def warnings(spec: StudySpec) -> Iterator[str]:
    """Yield a warning with its remedy where trials must repeat params."""
    trials = spec.budget.trials
    found = spec.search_space.distinct(min(trials, MOST_COUNTED))
    if found < min(trials, MOST_COUNTED):
        yield (
            f"space: has {found} different params for {trials} trials, so that {trials - found} repeat one on another "
            f"seed; --set budget.trials={found}, or a larger space"
        )
