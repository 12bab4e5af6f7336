"""Rules on detections: a suppressed class, missed small objects, low confidence, detections of background."""

from collections.abc import Iterator
from statistics import median_high
from typing import Final

from automl.tracking.diagnosis import thresholds as limits
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.record import TrainingRecord

SUPPRESSED: Final = "class suppressed"
SMALL: Final = "small objects missed"
CONFIDENCE: Final = "low confidence"
BACKGROUND: Final = "attention to background"


def class_suppressed(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding for each class whose AP50, or recall at confidence 0.25, is far below that of the others."""
    boxes = sum(record.instances.values())
    for name in record.per_class("class_ap50") if _late(record) else ():
        for kind, told in (("class_ap50", "AP50"), ("class_recall", "recall at confidence 0.25")):
            values = record.per_class(kind)
            others = median_high([other for one, other in values.items() if one != name] or [0.0])
            if others < limits.OTHERS or values.get(name, 1.0) >= limits.SUPPRESSED * others:
                continue
            share = record.instances.get(name, 0) / boxes if boxes else None
            counted = f", with {share:.0%} of the training boxes" if share is not None else ""
            yield Finding(
                SUPPRESSED, record.trial, record.validated,
                f"{name} has {told} {values[name]:.2f}, the others {others:.2f}{counted}",
                f"look at the labels of {name} (missing, mixed with another class), add images of it, "
                "raise imgsz if it is thin or small, or train longer",
                {told: values[name], "others": others, **({} if share is None else {"share of boxes": share})},
                subject=name,
            )  # fmt: skip
            break


def small_objects_missed(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if small objects are found much less often than larger ones."""
    small = record.current("val/recall_small")
    larger = [value for size in ("medium", "large") if (value := record.current(f"val/recall_{size}")) is not None]
    if small is None or not larger or not _late(record):
        return
    if max(larger) >= limits.LARGER and small < limits.MISSED * max(larger):
        yield Finding(
            SMALL, record.trial, record.validated,
            f"{small:.0%} of the objects below 32 pixels are found, but {max(larger):.0%} of larger ones",
            "enlarge imgsz, take a model with a finer level (p2), cut images into tiles, or lower scale",
            {"recall small": small, "recall larger": max(larger)},
        )  # fmt: skip


def low_confidence(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if objects are found, but with very low confidence: a matter of threshold, not of features."""
    f1, threshold = record.current("val/best_f1"), record.current("val/best_f1_threshold")
    if f1 is None or threshold is None or not _late(record):
        return
    if f1 >= limits.GOOD_F1 and threshold < limits.LOW_CONFIDENCE:
        yield Finding(
            CONFIDENCE, record.trial, record.validated,
            f"the best F1 is {f1:.2f} at a confidence of {threshold:.3f}, below the thresholds in use",
            "serve with that threshold, or raise the gain `cls` or the number of epochs; the features are learned",
            {"best f1": f1, "threshold": threshold},
        )  # fmt: skip


def attention_to_background(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if many of the detections overlap no true box."""
    f1, share = record.current("val/best_f1"), record.current("val/background_share")
    if f1 is None or share is None or not _late(record):
        return
    if f1 >= limits.ANY_F1 and share >= limits.BACKGROUND:
        yield Finding(
            BACKGROUND, record.trial, record.validated,
            f"{share:.0%} of the detections overlap no labelled object, at the threshold of the best F1 ({f1:.2f})",
            "look at val/predictions: if there are objects, labels are missing; if not, add images of background",
            {"background share": share, "best f1": f1},
        )  # fmt: skip


def _late(record: TrainingRecord) -> bool:
    return record.validated >= max(limits.LEAST_EPOCHS, limits.LEARNED * record.epochs)
