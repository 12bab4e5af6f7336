"""The metric contract: counts, the threshold of a bounded over-kill rate, and exact bounds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.hpo import statistics
from automl.release import contract
from automl.storage.detections import THRESHOLDS, ImageStats
from automl.study import Contract

AGREED = Contract(max_miss_rate=0.05, max_overkill_rate=0.1)


def stats(defects: list[float], fine: list[float]) -> ImageStats:
    """Return one true box in each defective image, none in the others, and one predicted box in each image."""
    conf = np.array([*defects, *fine], np.float64)
    return ImageStats(
        image=np.arange(len(conf)),
        tp=np.tile((np.arange(len(conf)) < len(defects))[:, None], (1, THRESHOLDS)),
        conf=conf,
        kind=np.zeros(len(conf), np.int64),
        truth_image=np.arange(len(defects)),
        truth_kind=np.zeros(len(defects), np.int64),
        images=len(conf),
        names=tuple(f"{number}.jpg" for number in range(len(conf))),
    )


def test_images_are_missed_or_over_killed_by_the_highest_confidence_in_them() -> None:
    found = contract.count(stats([0.9, 0.4, 0.6], [0.5, 0.1]), 0.45, per="image")
    assert (found.missed, found.defects, found.overkilled, found.fine) == (1, 3, 1, 2)


def test_a_defective_part_that_is_stopped_for_another_reason_is_not_missed() -> None:
    elsewhere = replace(stats([0.9], [0.2]), tp=np.zeros((2, THRESHOLDS), np.bool_))
    assert contract.count(elsewhere, 0.5, per="image").missed == 0
    assert contract.count(elsewhere, 0.5, per="box").missed == 1


def test_the_threshold_is_the_lowest_that_holds_the_over_kill_rate() -> None:
    fine = [number / 100 for number in range(100)]  # over-killed above t: 99 - 100 t images of 100
    at = contract.threshold(stats([0.95] * 10, fine), AGREED)
    assert at == pytest.approx(0.89, abs=0.002)
    assert contract.count(stats([0.95] * 10, fine), at, per="image").overkill_rate <= 0.1
    assert contract.count(stats([0.95] * 10, fine), at - 0.002, per="image").overkill_rate > 0.1


def test_without_a_threshold_that_holds_it_is_the_highest() -> None:
    assert contract.threshold(stats([0.5], [1.0, 1.0]), AGREED) == 0.999


def test_a_contract_holds_by_its_exact_bounds_and_names_the_images_it_needs() -> None:
    miss, overkill = contract.judge(stats([0.9] * 58 + [0.1], [0.2] * 29), 0.5, AGREED)
    assert not miss.passed
    assert miss.text == (
        "contract: miss rate <= 5.00% must hold, but got 1.69%, at most 7.79% (95% confidence): "
        "missed 1 of 59 images with boxes"
    )
    assert overkill.passed
    assert overkill.value == pytest.approx(statistics.upper_bound(0, 29, confidence=0.95))
    short, _ = contract.judge(stats([0.9] * 20, [0.2] * 29), 0.5, AGREED)
    assert short.text.endswith("missed 0 of 20 images with boxes; needs at least 59, without failure")


@given(st.integers(0, 40), st.integers(0, 60), st.floats(0.5, 0.999))
def test_the_bound_is_not_below_the_rate_and_falls_with_fewer_failures(
    failures: int, more: int, confidence: float
) -> None:
    tries = failures + more
    bound = statistics.upper_bound(failures, tries, confidence=confidence)
    assert 0 < bound <= 1
    assert bound >= failures / max(tries, 1)
    if failures and more:
        assert statistics.upper_bound(failures - 1, tries, confidence=confidence) < bound


@given(st.floats(0.001, 0.5), st.floats(0.5, 0.999))
def test_the_fewest_tries_are_enough_and_one_less_is_not(rate: float, confidence: float) -> None:
    tries = statistics.least_tries(rate, confidence=confidence)
    assert statistics.upper_bound(0, tries, confidence=confidence) <= rate * (1 + 1e-9)
    if tries > 1:
        assert statistics.upper_bound(0, tries - 1, confidence=confidence) > rate * (1 - 1e-9)
