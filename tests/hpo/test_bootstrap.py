"""Bootstrap over images: metrics as the vendor computes them, intervals that cover, files that say what is wrong."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ultralytics.utils.metrics import ap_per_class

from automl.hpo import bootstrap
from automl.hpo.bootstrap import Interval, Resampling
from automl.storage import detections
from automl.storage.detections import METRICS, THRESHOLDS, ImageStats, IntArray
from automl.study.errors import StudyError

FEW = Resampling(resamples=50)


def drawn(rng: np.random.Generator, images: int, *, classes: int = 3, quality: float = 0.6) -> ImageStats:
    """Return a made-up detector's statistics: images differ in difficulty, no two confidences are equal."""
    truth_image = np.repeat(np.arange(images), rng.integers(0, 6, size=images))
    truth_kind = rng.integers(classes, size=len(truth_image))
    ease = np.clip(rng.normal(quality, 0.2, size=images), 0, 1)
    seen = np.flatnonzero(rng.random(len(truth_image)) < ease[truth_image])
    false = rng.integers(images, size=4 * images)
    reach = rng.integers(1, THRESHOLDS + 1, size=len(seen))
    hits = np.arange(THRESHOLDS) < reach[:, None]
    return ImageStats(
        image=np.concatenate([truth_image[seen], false]),
        tp=np.concatenate([hits, np.zeros((len(false), THRESHOLDS), np.bool_)]),
        conf=np.concatenate([rng.beta(4, 2, len(seen)), rng.beta(1, 6, len(false))]),
        kind=np.concatenate([truth_kind[seen], rng.integers(classes + 1, size=len(false))]),
        truth_image=truth_image,
        truth_kind=truth_kind,
        images=images,
        names=tuple(f"{image:05}.jpg" for image in range(images)),
    )


def part(stats: ImageStats, found: Any, truths: Any) -> ImageStats:
    """Return the statistics of a part of detections and ground truth."""
    image, tp, conf, kind = stats.image[found], stats.tp[found], stats.conf[found], stats.kind[found]
    stats = replace(stats, image=image, tp=tp, conf=conf, kind=kind)
    return replace(stats, truth_image=stats.truth_image[truths], truth_kind=stats.truth_kind[truths])


def by_vendor(stats: ImageStats, weights: IntArray) -> dict[str, float]:
    """Return Ultralytics' metrics of data in which each image stands `weights` times."""
    found = np.repeat(np.arange(len(stats.image)), weights[stats.image])
    truths = np.repeat(np.arange(len(stats.truth_image)), weights[stats.truth_image])
    results = ap_per_class(stats.tp[found], stats.conf[found], stats.kind[found], stats.truth_kind[truths])
    precision, recall, average = results[2], results[3], results[5]
    if not len(average):
        return dict.fromkeys(METRICS, 0.0)
    values = (average.mean(), average[:, 0].mean(), precision.mean(), recall.mean())
    return dict(zip(METRICS, map(float, values), strict=True))


def once(stats: ImageStats) -> IntArray:
    return np.ones(stats.images, np.int64)


@pytest.mark.parametrize("seed", range(20))
def test_metrics_are_the_vendor_s_for_any_weights_of_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    stats = drawn(rng, 1 + seed, classes=1 + seed % 5, quality=rng.random())
    assert detections.metrics(stats) == pytest.approx(by_vendor(stats, once(stats)), abs=1e-9)
    for _ in range(5):
        weights = np.bincount(rng.integers(stats.images, size=stats.images), minlength=stats.images)
        assert detections.metrics(stats, weights) == pytest.approx(by_vendor(stats, weights), abs=1e-9)


@pytest.mark.parametrize("case", ["no detection", "no truth", "neither", "a class undetected", "a class not there"])
def test_metrics_are_the_vendor_s_where_something_is_missing(case: str) -> None:
    stats = drawn(np.random.default_rng(1), 12)
    every, none = slice(None), slice(0)
    stats = {
        "no detection": part(stats, none, every),
        "no truth": part(stats, every, none),
        "neither": part(stats, none, none),
        "a class undetected": part(stats, stats.kind != 1, every),
        "a class not there": part(stats, every, stats.truth_kind != 1),
    }[case]
    assert detections.metrics(stats) == pytest.approx(by_vendor(stats, once(stats)), abs=1e-9)


def test_a_split_without_images_has_no_spread() -> None:
    empty = part(drawn(np.random.default_rng(1), 1), slice(0), slice(0))
    assert bootstrap.interval(replace(empty, images=0, names=()), "map50") == Interval(0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("objective", METRICS)
def test_an_interval_holds_its_value_and_is_the_same_for_the_same_seed(objective: str) -> None:
    stats = drawn(np.random.default_rng(3), 40)
    found = bootstrap.interval(stats, objective, FEW)
    assert found.value == detections.metrics(stats)[objective]
    assert found.low < found.lower < found.value < found.high
    assert found == bootstrap.interval(stats, objective, FEW)
    assert found != bootstrap.interval(stats, objective, replace(FEW, seed=1))


@pytest.mark.parametrize("images", [0, 1, 40])
def test_the_intervals_of_all_metrics_are_those_of_each_to_the_last_bit(images: int) -> None:
    stats = drawn(np.random.default_rng(3), images)
    assert bootstrap.intervals(stats, FEW) == {name: bootstrap.interval(stats, name, FEW) for name in METRICS}


def test_a_lower_confidence_gives_a_higher_lower_bound() -> None:
    stats = drawn(np.random.default_rng(3), 40)
    sure, less = (bootstrap.interval(stats, "map50", replace(FEW, confidence=part)) for part in (0.95, 0.8))
    assert sure.lower < less.lower


def test_a_model_does_not_differ_from_itself_in_any_order_of_images() -> None:
    stats = drawn(np.random.default_rng(4), 30)
    turned = np.arange(30)[::-1]
    other = replace(stats, image=turned[stats.image], truth_image=turned[stats.truth_image], names=stats.names[::-1])
    found = bootstrap.paired_difference(stats, [other], "map50_95", FEW)
    assert (found.value, found.low, found.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    stats = drawn(np.random.default_rng(5), 40)
    kept = np.random.default_rng(0).random(len(stats.image)) < 0.9
    weaker = part(stats, kept, slice(None))
    paired = bootstrap.paired_difference(stats, [weaker], "map50", FEW)
    alone = bootstrap.interval(stats, "map50", FEW)
    assert paired.value > 0
    assert paired.high - paired.low < 0.75 * (alone.high - alone.low)


def test_seeds_that_differ_widen_the_interval_and_the_baseline_is_their_mean() -> None:
    rng = np.random.default_rng(6)
    ours = drawn(rng, 40)
    low, high = (part(ours, rng.random(len(ours.image)) < kept, slice(None)) for kept in (0.5, 0.95))
    both = bootstrap.paired_difference(ours, [low, high], "map50", FEW)
    ends = [bootstrap.paired_difference(ours, [model], "map50", FEW) for model in (low, high)]
    assert both.value == pytest.approx(sum(end.value for end in ends) / 2)
    assert both.high - both.low > max(end.high - end.low for end in ends)


def test_models_of_other_images_are_not_compared() -> None:
    stats = drawn(np.random.default_rng(7), 3)
    other = replace(stats, names=("00000.jpg", "00001.jpg", "x.jpg"))
    with pytest.raises(ValueError, match=r"images: must be the same for all models, but 2 are not, 00002.jpg among"):
        bootstrap.paired_difference(stats, [other], "map50", FEW)
    with pytest.raises(ValueError, match="baseline: must have at least one model"):
        bootstrap.paired_difference(stats, [], "map50", FEW)
    with pytest.raises(ValueError, match="resamples: must be at least 1, but got 0"):
        bootstrap.interval(stats, "map50", Resampling(resamples=0))


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"conf": np.zeros(1)}, "conf: must have shape"),
        ({"names": ("a.jpg", "a.jpg")}, "names: must be 2 different ones, but got 1"),
        ({"images": 1, "names": ("a.jpg",), "truth_image": np.array([5]), "truth_kind": np.array([0])}, "truth_image"),
    ],
)
def test_statistics_that_do_not_belong_together_are_rejected(change: dict[str, Any], law: str) -> None:
    stats = part(drawn(np.random.default_rng(8), 2), slice(0), slice(0))
    with pytest.raises(ValueError, match=law):
        replace(stats, **change)


def test_saved_statistics_are_loaded_as_they_were(tmp_path: Path) -> None:
    for images in (0, 9):
        stats = drawn(np.random.default_rng(9), images)
        stats.save(tmp_path / "stats.npz")
        again = ImageStats.load(tmp_path / "stats.npz")
        assert again.names == stats.names
        for name in ("image", "tp", "conf", "kind", "truth_image", "truth_kind"):
            np.testing.assert_array_equal(getattr(again, name), getattr(stats, name))


def test_a_file_damaged_at_any_byte_gives_a_study_error_or_the_same_statistics(tmp_path: Path) -> None:
    path = tmp_path / "stats.npz"
    stats = drawn(np.random.default_rng(10), 3)
    stats.save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(StudyError):
            assert detections.metrics(ImageStats.load(path)) == detections.metrics(stats)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_a_file_that_is_no_archive_gives_one_message(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "stats.npz").write_bytes(content)
    with pytest.raises(
        StudyError, match=r"stats.npz: must contain detections grouped by image, but .*; validate the model"
    ):
        ImageStats.load(tmp_path / "stats.npz")


def test_a_missing_file_or_array_gives_one_message(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"stats.npz: must contain detections grouped by image, but .*No such file"):
        ImageStats.load(tmp_path / "stats.npz")
    np.savez(tmp_path / "stats.npz", image=np.zeros(1, np.int64))
    with pytest.raises(
        StudyError, match=r"stats.npz: must contain detections grouped by image, but .*not a file in the archive"
    ):
        ImageStats.load(tmp_path / "stats.npz")


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["map50_95", "recall"])
def test_a_95_percent_interval_covers_the_true_value(objective: str) -> None:
    """The true value is that of many more images of the same kind."""
    rng = np.random.default_rng(11)
    true = detections.metrics(drawn(rng, 20_000))[objective]
    found = [bootstrap.interval(drawn(rng, 60), objective, Resampling(100)) for _ in range(80)]
    assert 70 <= sum(one.low <= true <= one.high for one in found) <= 79
