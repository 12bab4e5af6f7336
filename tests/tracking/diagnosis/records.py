"""Records of trainings for the tests of the diagnosis: a healthy one, and the same with some curves replaced."""

from collections.abc import Mapping, Sequence
from typing import Any

from automl.tracking.diagnosis.record import TrainingRecord

EPOCHS = 20
SETTINGS: Mapping[str, Any] = {
    "mosaic": 1.0, "close_mosaic": 3, "fliplr": 0.5, "hsv_v": 0.4, "scale": 0.5, "lr0": 0.01, "cls": 0.5,
}  # fmt: skip


def falling(first: float, share: float = 0.9, *, epochs: int = 12) -> list[float]:
    """Return a loss that falls by the same share each epoch."""
    return [first * share**epoch for epoch in range(epochs)]


HEALTHY: Mapping[str, Sequence[float]] = {
    "train/box_loss": falling(3.0),
    "train/cls_loss": falling(4.0, 0.85),
    "train/dfl_loss": falling(1.5, 0.95),
    "val/box_loss": falling(3.1, 0.92),
    "val/cls_loss": falling(4.1, 0.88),
    "val/dfl_loss": falling(1.6, 0.96),
    "val/map50": [0.05 * epoch for epoch in range(1, 13)],
    "val/map50_95": [0.03 * epoch for epoch in range(1, 13)],
    "val/best_f1": [0.05 * epoch for epoch in range(1, 13)],
    "val/best_f1_threshold": [0.3] * 12,
    "val/background_share": [0.1] * 12,
    "val/tiny_share": [0.02] * 12,
    "val/recall_small": [0.04 * epoch for epoch in range(1, 13)],
    "val/recall_medium": [0.05 * epoch for epoch in range(1, 13)],
    "class_ap50/hole": [0.05 * epoch for epoch in range(1, 13)],
    "class_ap50/scratch": [0.04 * epoch for epoch in range(1, 13)],
    "class_ap50/spot": [0.06 * epoch for epoch in range(1, 13)],
    "input/tiny_share": [0.05] * 12,
    "input/unchanged_share": [0.0],
    "time/data_wait_share": [0.2] * 12,
}


def record_of(curves: Mapping[str, Sequence[float]] | None = None, **changes: Any) -> TrainingRecord:
    """Return a healthy training of 12 of 20 epochs, with some curves and fields replaced."""
    values = {**HEALTHY, **(curves or {})}
    plain: dict[str, Any] = {
        "trial": "trial 3",
        "epochs": EPOCHS,
        "curves": {tag: dict(enumerate(column, start=1)) for tag, column in values.items()},
        "settings": SETTINGS,
        "instances": {"hole": 100, "scratch": 110, "spot": 90},
    }
    return TrainingRecord(**{**plain, **changes})
