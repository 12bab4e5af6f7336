"""No class may lose much of its recall against the serving champion, whatever the objective gains."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl.pipeline import champion_classes
from automl.pipeline.session import Session
from automl.release.working_point import recall_changes
from automl.storage.detections import ImageStats
from automl.storage.records import RecordError
from automl.study.verdict import Interval
from tests.builders import written
from tests.release.test_publish import SPEC, session_at

AHEAD = Interval(0.1, 0.05, 0.2, lower=0.06)
IMAGES = 40


def found(rates: dict[int, float]) -> ImageStats:
    """Return detections that find this share of each class's boxes, one an image and class, with confidence 0.5."""
    hits = [(image, kind) for kind, rate in rates.items() for image in range(round(rate * IMAGES))]
    image, kind = (np.array(column, np.int64) for column in zip(*hits, strict=True))
    truths = [(image, kind) for kind in rates for image in range(IMAGES)]
    return ImageStats(
        image=image, tp=np.ones((len(hits), 10), bool), conf=np.full(len(hits), 0.5), kind=kind,
        truth_image=np.array([one for one, _ in truths]), truth_kind=np.array([one for _, one in truths]),
        images=IMAGES, names=tuple(f"{number:03}.jpg" for number in range(IMAGES)),
    )  # fmt: skip


def with_champion(folder: Path, *, ours: dict[int, float], threshold: float | None = 0.4) -> Session:
    """Return a study whose export and champion, which finds 0.8 of both classes, were compared."""
    session = session_at(folder)
    session.data = replace(session.data, names={0: "bolt", 1: "nut"})
    record = json.dumps({"threshold": threshold})
    written(session.folder / "export", "evaluation.json", json.dumps({"threshold": 0.3}))
    found(ours).save(session.folder / "export" / "onnx.npz")
    found({0: 0.8, 1: 0.8}).save(session.folder / "export" / "champion.npz")
    registry = session.place.registry(SPEC.champion_name)
    files = {
        name: written(folder / "old", name, text) for name, text in {"best.pt": "w", "evaluation.json": record}.items()
    }
    registry.promote(registry.publish(files, {}), why="first")
    return session


@pytest.mark.parametrize(("nuts", "passed"), [(0.725, True), (0.675, False), (0.9, True)])
def test_a_class_that_loses_more_than_the_limit_refuses_a_better_model(
    tmp_path: Path, nuts: float, *, passed: bool
) -> None:
    session = with_champion(tmp_path, ours={0: 1.0, 1: nuts})
    (gate,) = champion_classes.judged(session, 1, AHEAD)
    assert (gate.passed, gate.limit) == (passed, -0.1)
    assert gate.value == pytest.approx(nuts - 0.8)
    assert "recall of class 'nut' at the served thresholds, challenger over champion" in gate.text


def test_without_a_champion_or_its_threshold_there_is_no_gate(tmp_path: Path) -> None:
    session = with_champion(tmp_path, ours={0: 1.0, 1: 0.1}, threshold=None)
    assert champion_classes.judged(session, 0, None) == ()
    assert champion_classes.judged(session, 1, AHEAD) == ()


def test_a_damaged_record_of_the_served_threshold_is_told(tmp_path: Path) -> None:
    session = with_champion(tmp_path, ours={0: 1.0, 1: 0.1})
    written(session.folder / "export", "evaluation.json", '{"threshold": ')
    with pytest.raises(RecordError, match="must be the evaluation record of a model"):
        champion_classes.judged(session, 1, AHEAD)


def test_each_model_is_counted_at_its_own_threshold_and_a_rare_class_not_at_all() -> None:
    ours, theirs = (found({0: 0.5, 1: 0.5}), 0.6), (found({0: 0.5, 1: 0.5}), 0.4)
    assert recall_changes(ours, theirs, {0: "bolt"}) == {"bolt": -0.5, "1": -0.5}
    few = replace(found({0: 0.5}), truth_image=np.arange(19), truth_kind=np.zeros(19, int))
    assert recall_changes((few, 0.6), (few, 0.4), {}) == {}
