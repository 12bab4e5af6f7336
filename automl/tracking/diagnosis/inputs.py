"""Rules on what the network is given: augmentation, mosaic, sizes, speed of the data."""

from collections.abc import Iterator
from math import prod
from statistics import fmean
from typing import Final

from automl.tracking.diagnosis import thresholds as limits
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.record import TrainingRecord

NO_EFFECT: Final = "augmentation without effect"
MOSAIC: Final = "mosaic closed"
TINY: Final = "objects made tiny"
SLOW_DATA: Final = "data loader slow"
SLOWER: Final = "slower than probed"
EPOCH_SECONDS: Final = "time/epoch_s"
PROBED_SECONDS: Final = "time/probed_epoch_s"
"""Tags of the time of an epoch, and of that which the probe of a shared GPU promises; the latter where probed."""
ALWAYS: Final = ("hsv_h", "hsv_s", "hsv_v", "degrees", "translate", "scale", "shear", "perspective")
"""Settings that change each image, by a random amount."""
CHANCES: Final = ("mosaic", "mixup", "cutmix", "flipud", "fliplr", "bgr")
"""Settings that are the probability of a change."""
OF_MOSAIC: Final = ("mosaic", "mixup", "cutmix")


def augmentation_without_effect(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if inputs are alike in two epochs although settings ask for augmentation."""
    share = record.last("input/unchanged_share")
    if share is None or share < limits.UNCHANGED or expected_unchanged(record) > limits.EXPECTED_UNCHANGED:
        return
    active = [name for name in (*CHANCES, *ALWAYS) if record.setting(name)]
    yield Finding(
        NO_EFFECT, record.trial, record.epoch,
        f"{share:.0%} of the compared inputs are alike in epochs 1 and 2, although {', '.join(active)} are set",
        "look at the picture input/augmented in TensorBoard, and for what replaces the transforms or the data loader",
        {"unchanged share": share, "expected": expected_unchanged(record)},
    )  # fmt: skip


def expected_unchanged(record: TrainingRecord) -> float:
    """Return the share of inputs that the settings leave alike in two epochs.

    >>> expected_unchanged(TrainingRecord("", 9, {}, {"fliplr": 0.5}))
    0.5
    """
    if any(record.setting(name) for name in ALWAYS):
        return 0.0
    closed = record.setting("close_mosaic") >= record.epochs
    chances = [record.setting(name) for name in CHANCES if not (closed and name in OF_MOSAIC)]
    return prod(chance**2 + (1 - chance) ** 2 for chance in chances)


def mosaic_closed(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if mosaic, mixup or cutmix are set but off from the first epoch."""
    asked, closing = [name for name in OF_MOSAIC if record.setting(name)], record.setting("close_mosaic")
    if record.epoch and asked and closing >= record.epochs:
        yield Finding(
            MOSAIC, record.trial, record.epoch,
            f"the settings ask for {' and '.join(asked)}, but close_mosaic={closing:g} turns that off for the last "
            f"{closing:g} epochs of {record.epochs}, which is all of them",
            f"set close_mosaic below {record.epochs}, or mosaic to 0 if it is not wanted; in the baseline, a plain "
            f"yolo train, only a ladder.max_epochs above {closing:g} changes it",
            {"close_mosaic": closing, "epochs": record.epochs},
        )  # fmt: skip


def objects_made_tiny(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if augmentation makes many more objects tiny than there are in the labels."""
    inputs, labels = record.series("input/tiny_share"), record.last("val/tiny_share")
    if not inputs or labels is None:
        return
    share = fmean(inputs[-limits.SMOOTHED :])
    if share >= labels * limits.TINY_RATIO and share >= labels + limits.TINY_GAIN:
        yield Finding(
            TINY, record.trial, record.epoch,
            f"{share:.0%} of the boxes of the inputs are below 8 pixels, but {labels:.0%} of those of the validation "
            "split",
            "lower scale or mosaic, or enlarge imgsz",
            {"input share": share, "val share": labels},
        )  # fmt: skip


def data_loader_slow(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the device waits for data most of the time."""
    waits = record.series("time/data_wait_share")[-limits.STARVED_EPOCHS :]
    if len(waits) == limits.STARVED_EPOCHS and min(waits) >= limits.STARVED:
        share = fmean(waits)
        yield Finding(
            SLOW_DATA, record.trial, record.epoch, f"{share:.0%} of the time is spent waiting for data",
            "set cache: ram or disk, give a trial more CPU cores (resources.cpus), or store smaller images",
            {"wait share": share},
        )  # fmt: skip


def slower_than_probed(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if epochs take far longer than the probe measured with as many trials on the GPU."""
    pairs = [
        (record.curves.get(EPOCH_SECONDS, {}).get(epoch, 0.0), probed)
        for epoch, probed in record.curves.get(PROBED_SECONDS, {}).items()
        if epoch > 1 and probed > 0
    ][-limits.SLOWER_EPOCHS :]
    if len(pairs) == limits.SLOWER_EPOCHS and all(took >= probed * limits.SLOWER for took, probed in pairs):
        took, probed = pairs[-1]
        yield Finding(
            SLOWER, record.trial, record.epoch,
            f"an epoch takes {took:.3g} s{f' on {record.node}' if record.node else ''}, {took / probed:.1f} times as "
            f"long as the probe measured with as many trials on the GPU ({probed:.3g} s)",
            "see what else uses GPU, cores and disk of that node (nvidia-smi, top); if it is the trials beside it, set "
            "resources.gpus to a larger share",
            {"seconds": took, "probed seconds": probed},
        )  # fmt: skip
