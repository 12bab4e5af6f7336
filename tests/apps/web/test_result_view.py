"""What a threshold costs: objects missed and false alarms, counted on the kept detections."""

import numpy as np

from automl.apps.web.result_view import cost_of
from automl.storage.detections import THRESHOLDS, ImageStats
from automl.tracking.diagnosis.sweep import Sweep


def test_the_cost_of_a_threshold_is_counted() -> None:
    hits = np.array([[True] * THRESHOLDS, [True] * THRESHOLDS, [False] * THRESHOLDS])
    stats = ImageStats(
        image=np.array([0, 1, 1]), tp=hits, conf=np.array([0.9, 0.4, 0.6]), kind=np.array([0, 0, 0]),
        truth_image=np.array([0, 1, 1]), truth_kind=np.array([0, 0, 0]), images=2, names=("a", "b"),
    )  # fmt: skip
    sweep = Sweep.of(stats)
    assert [cost_of(sweep, at) for at in (0.1, 0.5, 0.7, 0.95)] == [(1, 1), (2, 1), (2, 0), (3, 0)]
