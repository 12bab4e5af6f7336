"""The level of the looks: all looks together have the error, however many of them there are."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from automl.hpo import looks

RUNS = 4000


def shown(pairs: int, level: float, *, after: int, noise: float, seed: int) -> float:
    """Return how often a comparison of equal sides is significant, with looks after each so many pairs."""
    generator = np.random.default_rng(seed)
    ours, theirs = generator.standard_normal((2, RUNS, pairs))
    found = np.zeros(RUNS, bool)
    for count in range(looks.OPENING_SEEDS, pairs + 1, after):
        test = ttest_ind(ours[:, :count] * noise, theirs[:, :count], axis=1, equal_var=False, alternative="greater")
        found |= test.pvalue < level
    return float(found.mean())


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("pairs", [4, 10])
def test_all_looks_together_have_the_error_also_where_one_side_is_noisier(pairs: int, noise: float) -> None:
    level = looks.level(pairs, finalists=1, error=0.05)
    rates = [shown(pairs, level, after=after, noise=noise, seed=7) for after in (1, 3)]
    assert max(rates) <= 0.06  # three standard errors
    assert rates[0] >= 0.03
    assert rates[1] <= rates[0]


def test_a_look_at_the_whole_error_each_time_would_have_more() -> None:
    assert shown(10, 0.05, after=1, noise=1.0, seed=7) > 0.08


@pytest.mark.slow
def test_more_looks_and_more_finalists_lower_the_level() -> None:
    levels = [looks.level(pairs, finalists=1, error=0.05) for pairs in (3, 4, 7, 10, 15, 24)]
    assert levels == sorted(levels, reverse=True)
    assert len(set(levels)) == len(levels)
    choices = [looks.level(12, finalists=count, error=0.05) for count in (1, 2, 3, 4)]
    assert choices == sorted(choices, reverse=True)
    assert looks.level(12, finalists=2, error=0.01) < looks.level(12, finalists=2, error=0.05)


def test_very_many_pairs_have_looks_after_several_of_them() -> None:
    assert looks.step(1000) * looks.MOST_LOOKS >= 1000 - looks.OPENING_SEEDS
    assert 0.003 < looks.level(1000, finalists=1, error=0.05) < looks.level(15, finalists=1, error=0.05)
