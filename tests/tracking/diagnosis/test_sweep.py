"""The sweep of the threshold: equal to counting at each threshold, and an honest gain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.tracking.diagnosis.sweep import GRID, Sweep, honest_gain
from tests.tracking.diagnosis.scenes import scene
from tests.tracking.report.test_class_results import stats_of


@settings(max_examples=20)
@given(st.integers(0, 200), st.sampled_from([None, 0, 1]), st.integers(0, 998))
def test_a_point_is_what_counting_gives(seed: int, kind: int | None, place: int) -> None:
    stats, at = stats_of(seed), float(GRID[place])
    mine = (stats.conf > at) & (True if kind is None else stats.kind == kind)
    truths = len(stats.truth_kind) if kind is None else int((stats.truth_kind == kind).sum())
    hits, point = int(stats.tp[mine, 0].sum()), Sweep.of(stats, kind).at(at)
    assert point.recall == pytest.approx(hits / max(truths, 1))
    assert point.precision == pytest.approx(hits / max(mine.sum(), 1))
    assert point.f1 == pytest.approx(2 * hits / max(mine.sum() + truths, 1))


def test_the_best_threshold_has_the_highest_f1_and_stands_in_the_middle_of_equals() -> None:
    sweep = Sweep.of(scene().stats(), 0)
    assert sweep.best.f1 == sweep.f1.max() == 1.0
    assert 0.25 < sweep.best.threshold < 0.45
    assert sweep.ceiling == 1.0


def test_nothing_found_has_no_f1() -> None:
    sweep = Sweep.of(stats_of(found=0))
    assert (sweep.best.f1, sweep.ceiling, sweep.found.max()) == (0.0, 0.0, 0.0)


def test_a_gain_by_chance_is_not_counted() -> None:
    gains = [honest_gain(stats_of(seed, found=300, truths=200), 0, 0.001) for seed in range(20)]
    assert float(np.mean(gains)) < 0.01
    assert honest_gain(scene(conf=((0.05, 0.2), (0.5, 0.9)), false=0.0).stats(), 0, 0.25) > 0.9
