"""The statistics of a comparison: Welch's bound as scipy has it, and the power that is left."""

import random
from pathlib import Path

import pytest
from scipy.stats import ttest_ind

from automl.hpo import statistics
from automl.study import Gain, Gates, Score


def scores(*values: float) -> tuple[Score, ...]:
    return tuple(Score(seed, value, {}, Path("best.pt")) for seed, value in enumerate(values))


@pytest.mark.parametrize(("ours", "theirs"), [(2, 2), (3, 5), (9, 4), (24, 24)])
def test_the_lower_bound_is_that_of_welch_s_test(ours: int, theirs: int) -> None:
    drawn = random.Random(ours)
    values = [drawn.gauss(0.5, 0.02) for _ in range(ours)], [drawn.gauss(0.4, 0.05) for _ in range(theirs)]
    gain = statistics.gain(*(scores(*side) for side in values), confidence=0.95, share=0.2)
    test = ttest_ind(*values, equal_var=False, alternative="greater")
    assert gain.low == pytest.approx(test.confidence_interval(0.99).low)


def test_without_spread_the_bound_is_the_difference_and_one_score_a_side_has_none() -> None:
    assert statistics.gain(scores(0.5, 0.5), scores(0.4, 0.4), confidence=0.95).low == pytest.approx(0.1)
    assert statistics.gain(scores(0.5), scores(0.4, 0.4), confidence=0.95).low == float("-inf")


def hoped(*ours: float, seeds: int = 10, level: float = 0.01, least: float = 0.0) -> float:
    gain = Gain(sum(ours) / len(ours), 0.0, 0.95, scores(*ours), scores(-0.01, 0.0, 0.01))
    return statistics.hoped_power(gain, Gates(min_gain=least), level=level, seeds=seeds)


def test_the_hoped_power_grows_with_gain_seeds_and_level() -> None:
    assert 0.05 < hoped(-0.01, 0.0, 0.01) < hoped(0.0, 0.01, 0.02) < hoped(0.01, 0.02, 0.03) < 1
    assert hoped(0.0, 0.01, 0.02, seeds=5) < hoped(0.0, 0.01, 0.02, seeds=20)
    assert hoped(0.0, 0.01, 0.02, level=0.001) < hoped(0.0, 0.01, 0.02)
    assert hoped(0.0, 0.01, 0.02, least=0.01) < hoped(0.0, 0.01, 0.02)
    assert hoped(0.01) == 1.0
