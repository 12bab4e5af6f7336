"""Detection rate at an over-kill rate: equal to counting at each threshold, and to repeating images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.hpo import bootstrap
from automl.release import contract
from automl.storage import detection_rate
from automl.storage.detection_rate import GRID, RateCurve
from automl.storage.detections import THRESHOLDS, ImageStats
from automl.study.objective import RateGoal


def drawn(seed: int, images: int = 12, found: int = 30, truths: int = 9) -> ImageStats:
    """Return random detections; a third of the images have no true box."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, max(images * 2 // 3, 1), truths)
    return ImageStats(
        image=rng.integers(0, images, found),
        tp=np.tile(rng.random(found)[:, None] < truths / (2 * found), (1, THRESHOLDS)),
        conf=rng.random(found).round(3),
        kind=np.zeros(found, np.int64),
        truth_image=truth,
        truth_kind=np.zeros(truths, np.int64),
        images=images,
        names=tuple(f"{number}.jpg" for number in range(images)),
    )


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["image", "box"]), st.floats(0.01, 0.9))
def test_it_is_what_counting_at_each_threshold_gives(seed: int, per: str, over_kill: float) -> None:
    stats = drawn(seed)
    point = RateCurve.of(stats, RateGoal(over_kill, "box" if per == "box" else "image")).at()
    counted = [contract.count(stats, float(value), per=per) for value in GRID]
    broken = [place for place, one in enumerate(counted) if one.overkill_rate > over_kill]
    place = min(broken[-1] + 1, len(GRID) - 1) if broken else 0
    expected = counted[place]
    assert point.threshold == pytest.approx(GRID[place], abs=1e-9)
    assert (point.missed, point.defects, point.overkilled, point.fine) == (
        expected.missed, expected.defects, expected.overkilled, expected.fine,
    )  # fmt: skip
    assert point.detection_rate == pytest.approx(1 - expected.miss_rate)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["image", "box"]))
def test_a_weight_is_a_repeated_image(seed: int, per: str) -> None:
    stats, goal = drawn(seed), RateGoal(0.2, "box" if per == "box" else "image")
    weights = np.random.default_rng(seed).integers(0, 3, stats.images)
    weights[stats.truth_image[0]] = 1
    copies = np.repeat(np.arange(stats.images), weights)
    conf = [stats.conf[stats.image == image] for image in copies]
    hits = [stats.tp[stats.image == image, 0] for image in copies]
    truths = [int((stats.truth_image == image).sum()) for image in copies]
    assert RateCurve.of(stats, goal).at(weights) == detection_rate.of_images(conf, hits, truths, goal).at()


def test_its_interval_is_a_bootstrap_over_images_like_that_of_any_metric() -> None:
    stats = drawn(5, images=60, found=150, truths=50)
    name = RateGoal(0.2).name
    found = bootstrap.interval(stats, name, bootstrap.Resampling(resamples=50))
    assert found.low <= found.value <= found.high
    assert found.value == detection_rate.of_stats(stats, f"val/{name}", split="val")[f"val/{name}"]
    assert bootstrap.paired_difference(stats, [stats], name, bootstrap.Resampling(resamples=20)).value == 0
    assert detection_rate.of_stats(stats, "val/map50", split="val") == {}
