"""Results by class: equal to the metrics of the whole, told as missing or damaged, never a failure."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.storage.detections import ImageStats, metrics
from automl.storage.epoch_details import write_details
from automl.storage.layout import CONFIRM, EXPORT, JUDGED, ONNX_STATS, trial_folder
from automl.study import Trial
from automl.study.verdict import Verdict
from automl.tracking.report import class_results
from automl.tracking.report.class_results import scores
from tests.builders import METRIC, completed, spec_of
from tests.tracking.report.test_page import FACTS, page_of

NAMES = {"0": "hole", "1": "spot"}


def stats_of(seed: int = 0, found: int = 60, truths: int = 40) -> ImageStats:
    """Return random detections of two classes on ten images."""
    draw = np.random.default_rng(seed)
    hit = draw.random(found) < 0.6
    return ImageStats(
        image=draw.integers(0, 10, found),
        tp=hit[:, None] & (draw.random((found, 1)) * 10 > np.arange(10)),
        conf=np.round(draw.random(found), 2),
        kind=draw.integers(0, 2, found),
        truth_image=draw.integers(0, 10, truths),
        truth_kind=draw.integers(0, 2, truths),
        images=10,
        names=tuple(f"{number}.jpg" for number in range(10)),
    )


@settings(max_examples=20)
@given(st.integers(0, 200), st.integers(0, 60), st.integers(0, 40))
def test_the_mean_over_classes_is_the_metric_of_the_whole(seed: int, found: int, truths: int) -> None:
    stats = stats_of(seed, found, truths)
    by_class = scores(stats, NAMES)
    parts = [score for name, score in by_class.items() if name]
    assert sum(score.boxes for score in parts) == by_class[""].boxes == truths
    if parts:
        assert np.mean([score.ap50_95 for score in parts]) == pytest.approx(metrics(stats)["map50_95"])
        assert np.mean([score.ap50 for score in parts]) == pytest.approx(metrics(stats)["map50"])


@settings(max_examples=20)
@given(st.integers(0, 200))
def test_no_other_threshold_has_a_higher_f1(seed: int) -> None:
    stats = stats_of(seed)
    score = scores(stats, NAMES)[""]
    kept = {threshold: stats.conf >= threshold for threshold in [*stats.conf.tolist(), score.threshold]}
    f1 = {threshold: 2 * stats.tp[at, 0].sum() / (at.sum() + 40) for threshold, at in kept.items()}
    assert f1[score.threshold] == pytest.approx(score.f1)
    assert max(f1.values()) == pytest.approx(score.f1)
    assert (score.recall, score.precision) in set(zip(score.recalls, score.precisions, strict=True))


def test_a_class_of_which_nothing_is_found_has_no_threshold() -> None:
    score = scores(stats_of(found=0), NAMES)["hole"]
    assert (score.f1, score.ap50, score.threshold) == (0.0, 0.0, 0.0)
    assert len(score.recalls) == 0


def keep(path: Path, stats: ImageStats) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stats.save(path)


def test_what_ships_stands_beside_the_mean_of_the_baselines_models(tmp_path: Path) -> None:
    keep(tmp_path / EXPORT / ONNX_STATS, stats_of(0))
    for seed in (1, 2):
        keep(tmp_path / CONFIRM / f"default_seed{seed}" / JUDGED, stats_of(seed))
    found = class_results.judged(tmp_path, Verdict.from_dict(FACTS | {"names": NAMES}))
    assert found is not None
    assert found.models == 2
    assert found.baseline[""][0] == pytest.approx(np.mean([metrics(stats_of(seed))["map50_95"] for seed in (1, 2)]))
    text, words = page_of(tmp_path, facts=FACTS | {"names": NAMES})
    assert "baseline: mean of 2 models" in words
    assert f"all classes 40 {metrics(stats_of(0))['map50_95']:.4f} {found.baseline[''][0]:.4f}" in words
    assert "Precision and recall" in words
    assert "spot" in text


def test_the_retraining_that_ships_is_used_where_the_export_kept_no_detections(tmp_path: Path) -> None:
    keep(tmp_path / CONFIRM / FACTS["shipped"]["name"] / JUDGED, stats_of(0))
    _, words = page_of(tmp_path, facts=FACTS)
    assert "all classes 40" in words
    assert "mean of 0 models" in words


def test_detections_that_are_missing_or_damaged_are_told(tmp_path: Path) -> None:
    _, words = page_of(tmp_path, facts=FACTS)
    assert "No detections of what ships on the judged split are kept" in words
    assert "No values by class of the trainings" in words
    keep(tmp_path / EXPORT / ONNX_STATS, stats_of(0))
    (tmp_path / EXPORT / ONNX_STATS).write_bytes(b"PK broken")
    _, words = page_of(tmp_path, facts=FACTS)
    assert f"left out: {EXPORT}/{ONNX_STATS}" in words


def test_before_a_verdict_the_leader_is_shown_on_val_at_its_best_epoch(tmp_path: Path) -> None:
    trials: list[Trial] = [completed(0, [0.1] * 6), completed(1, [0.4] * 6)]
    for trial, height in zip(trials, (0.1, 0.4), strict=True):
        details = {
            epoch: {"class_ap50_95/hole": height * epoch, "class_ap50/hole": height, "val/best_f1": 1.0}
            for epoch in (1, 2)
        }
        folder = trial_folder(tmp_path, trial, spec_of().model)
        folder.mkdir(parents=True)
        write_details(folder, details | {3: {"time/images_per_second": 1.0}})
    found = class_results.validated(tmp_path, trials, None, metric=METRIC, model=spec_of().model)
    assert found is not None
    assert found.rows == {"hole": (0.8, 0.2, 0.4, 0.1)}
    _, words = page_of(tmp_path, trials)
    assert re.search(r"hole 0\.8000 0\.2000 0\.4000 0\.1000", words)
