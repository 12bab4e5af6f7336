"""The working point: the threshold of the best F1, and what an export changes there."""

from dataclasses import replace

import numpy as np
import pytest

from automl.hpo.bootstrap import Resampling
from automl.release import working_point
from automl.release.working_point import Comparison
from automl.storage.detections import ImageStats
from tests.hpo.test_bootstrap import drawn, part

AT = Comparison(0.5, "map50_95", {0: "bolt", 1: "nut", 2: "washer"}, Resampling(resamples=200))


def stats(seed: int = 0, images: int = 60) -> ImageStats:
    return drawn(np.random.default_rng(seed), images)


def by_hand(found: ImageStats, threshold: float) -> tuple[float, float]:
    above = found.conf > threshold
    known = np.isin(found.kind, np.unique(found.truth_kind))
    hits = (above & known & found.tp[:, 0]).sum()
    return hits / (above & known).sum(), hits / len(found.truth_kind)


def test_the_best_threshold_has_the_highest_f1_of_a_coarse_search() -> None:
    found = stats()
    best = working_point.best_threshold(found)

    def f1(threshold: float) -> float:
        precision, recall = by_hand(found, threshold)
        return float(2 * precision * recall / (precision + recall))

    assert 0.1 < best < 0.9
    assert f1(best) > max(f1(0.05), f1(0.95))
    assert f1(best) > 0.97 * max(f1(threshold) for threshold in np.linspace(0.05, 0.95, 91))


def test_there_is_no_threshold_without_ground_truth() -> None:
    empty = part(stats(), slice(None), slice(0, 0))
    with pytest.raises(ValueError, match="must contain ground-truth boxes"):
        working_point.best_threshold(empty)


def test_a_model_does_not_differ_from_itself() -> None:
    found = working_point.compare("ONNX", stats(), weights=stats(), at=AT)
    assert (found.f1.value, found.f1.lower, found.precision.low, found.recall.high) == (0, 0, 0, 0)
    assert found.drift == 0
    assert set(found.class_recall) == {"bolt", "nut", "washer"}
    assert set(found.class_recall.values()) == {0.0}


def test_counts_are_those_of_the_boxes_above_the_threshold() -> None:
    found = stats()
    counts = working_point.Counts.of(found, 0.5, np.unique(found.truth_kind))
    rates = counts.rates(np.ones((1, found.images)))
    assert (rates["precision"][0], rates["recall"][0]) == pytest.approx(by_hand(found, 0.5))


def test_the_order_of_the_images_does_not_matter() -> None:
    found = stats()
    turned = replace(
        found,
        image=found.images - 1 - found.image,
        truth_image=found.images - 1 - found.truth_image,
        names=found.names[::-1],
    )
    assert working_point.compare("a", turned, weights=found, at=AT) == working_point.compare(
        "a", found, weights=found, at=AT
    )


def test_confidences_that_shrink_while_ranks_stay_are_seen_at_the_threshold_alone() -> None:
    """The mAP is the same to the last digit; recall at the fixed threshold falls (ultralytics issue 24668)."""
    shrunk = replace(stats(), conf=stats().conf / 2)
    found = working_point.compare("int8", shrunk, weights=stats(), at=AT)
    assert found.objective.value == 0
    assert found.recall.value < -0.3
    assert found.recall.high < 0
    assert found.drift == pytest.approx(-working_point.mean_confidence(stats()) / 2)


def test_a_class_that_is_lost_is_named_if_it_has_enough_boxes() -> None:
    whole = stats(images=200)
    lost = part(whole, whole.kind != 1, slice(None))
    found = working_point.compare("int8", lost, weights=whole, at=AT)
    assert min(found.class_recall, key=lambda name: found.class_recall[name]) == "nut"
    few = part(whole, slice(None), (whole.truth_kind != 1) | (np.arange(len(whole.truth_kind)) < 40))
    assert "nut" not in working_point.compare("int8", few, weights=few, at=AT).class_recall


def test_other_images_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="must be the same for all models"):
        working_point.compare("ONNX", stats(images=10), weights=stats(images=11), at=AT)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_the_lower_bound_is_below_the_true_difference_nineteen_times_in_twenty(loss: float) -> None:
    """A share of the found boxes is dropped at random; the true difference of recall is known."""
    held = 0
    for seed in range(60):
        whole = stats(seed, images=40)
        rng = np.random.default_rng(1000 + seed)
        kept = rng.random(len(whole.conf)) >= loss
        found = working_point.compare("x", part(whole, kept, slice(None)), weights=whole, at=AT)
        true = -loss * float((whole.tp[:, 0] & (whole.conf > 0.5)).sum() / len(whole.truth_kind))
        held += found.recall.lower <= true + 1e-12
    assert held >= 52
