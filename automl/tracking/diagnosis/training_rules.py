"""All rules on one training, and what they find."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from automl.study import EndReason
from automl.tracking.diagnosis import detections, inputs, losses
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.record import TrainingRecord

NOT_FINITE: Final = "not finite"
HALVED: Final = "batch halved"
Rule = Callable[[TrainingRecord], Iterator[Finding]]


def not_finite(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if a loss or metric was not finite."""
    if record.reason is EndReason.NOT_FINITE:
        yield Finding(
            NOT_FINITE, record.trial, record.epoch + 1, f"a loss or metric was not finite after epoch {record.epoch}",
            "lower lr0 or lengthen warmup_epochs; set amp: false if only a GPU training fails",
            {"epochs before": record.epoch},
        )  # fmt: skip


def batch_halved(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the batch did not fit into memory."""
    if record.changed:
        yield Finding(
            HALVED, record.trial, record.epoch, record.changed,
            "lower batch or imgsz for all trials: this one cannot be compared with the others",
            {"epoch": record.epoch},
        )  # fmt: skip


RULES: Final[Mapping[tuple[str, ...], Rule]] = {
    (losses.OSCILLATES, losses.ONE_OSCILLATES): losses.oscillation,
    (losses.COLLAPSED,): losses.collapsed,
    (losses.OVERFITTING,): losses.overfitting,
    (losses.BOX_SLOW,): losses.box_slow,
    (losses.PLATEAU,): losses.plateau,
    (losses.NOTHING,): losses.nothing_learned,
    (inputs.NO_EFFECT,): inputs.augmentation_without_effect,
    (inputs.MOSAIC,): inputs.mosaic_closed,
    (inputs.TINY,): inputs.objects_made_tiny,
    (inputs.SLOW_DATA,): inputs.data_loader_slow,
    (inputs.SLOWER,): inputs.slower_than_probed,
    (detections.SUPPRESSED,): detections.class_suppressed,
    (detections.SMALL,): detections.small_objects_missed,
    (detections.CONFIDENCE,): detections.low_confidence,
    (detections.BACKGROUND,): detections.attention_to_background,
    (NOT_FINITE,): not_finite,
    (HALVED,): batch_halved,
}
"""Names of the findings of each rule."""
NAMES: Final = tuple(name for names in RULES for name in names)


def findings(record: TrainingRecord) -> list[Finding]:
    """Return what all rules find in a training after its last epoch so far."""
    return [finding for rule in RULES.values() for finding in rule(record)]
