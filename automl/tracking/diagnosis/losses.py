"""Rules on losses and the metric: oscillation, overfitting, a slow component, plateau, nothing learned."""

from collections.abc import Iterator
from itertools import pairwise
from math import ceil
from statistics import fmean, median
from typing import Final

from automl.study.curve_shape import WINDOW, oscillates
from automl.tracking.diagnosis import thresholds as limits
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.record import LOSSES, TrainingRecord

OSCILLATES: Final = "loss oscillates"
ONE_OSCILLATES: Final = "one loss oscillates"
COLLAPSED: Final = "collapsed"
OVERFITTING: Final = "overfitting"
BOX_SLOW: Final = "box loss slow"
PLATEAU: Final = "plateau"
NOTHING: Final = "nothing learned"


def oscillation(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if a loss oscillates after the warm-up; another name where a second training loss has converged.

    One of validation counts only while the mAP50 does not improve: it has high peaks in trainings that go well. All
    change together there, so that it gets the other name only if it is nearly all of the training loss. Where no loss
    oscillates, the mAP50 may: see the two functions below.
    """
    curves = components(record, "train")
    swinging = {name: _swing(values) for name, values in curves.items() if oscillates(values)}
    swinging = {name: share for name, share in swinging.items() if share > limits.SWING}
    where = "train"
    if not swinging:
        curves, where = components(record, "val"), "val"
        swinging = {
            name: _swing(values)
            for name, values in curves.items()
            if _swings_widely(values, above=_least_swing(record, name)) and stuck(record)
        }
    if not swinging:
        yield from _metric_oscillates(record)
        yield from _dominated(record)
        return
    driver = max(swinging, key=lambda name: fmean(curves[name][-WINDOW:]) * swinging[name])
    dominates = _share(record, driver) >= limits.DOMINANT  # so that the others are a negligible part
    others = after_warm_up(record, "train") if dominates else components(record, "train")
    settled = [name for name, values in others.items() if name not in {driver, *swinging} and _settled(values)]
    numbers = {f"swing {where}/{name}": share for name, share in swinging.items()}
    told = f"{where}/{driver} changes by {swinging[driver]:.0%} of its mean from epoch to epoch"
    if settled and (dominates or where == "train"):
        gain = driver.removesuffix("_loss")
        yield Finding(
            ONE_OSCILLATES, record.trial, record.epoch, f"{told}, while {' and '.join(settled)} converged",
            f"lower the gain `{gain}` or lr0, so that one component does not disturb the others", numbers,
        )  # fmt: skip
    else:
        yield Finding(
            OSCILLATES, record.trial, record.epoch, told,
            "lower lr0, lengthen warmup_epochs, or enlarge batch or nbs", numbers,
        )  # fmt: skip


def _metric_oscillates(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the mAP50 goes up and down widely and does not improve: the loss is a mean and hides that."""
    last = [value for epoch, value in record.curves.get("val/map50", {}).items() if epoch > warm_up(record)][-WINDOW:]
    if len(last) < WINDOW or max(last) < limits.LOCATED or not oscillates(last) or not stuck(record):
        return
    if (share := _swing(last)) > limits.METRIC_SWING:
        yield Finding(
            OSCILLATES, record.trial, record.epoch,
            f"mAP50 changes by {share:.0%} of its mean from epoch to epoch and does not improve",
            "lower lr0, lengthen warmup_epochs, or enlarge batch or nbs", {"swing map50": share},
        )  # fmt: skip


def _dominated(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if one component is nearly all of the training loss and the mAP50 fell far below its best."""
    curves, values = after_warm_up(record, "train"), record.series("val/map50")
    driver = max((name for name in curves if curves[name]), key=lambda name: _share(record, name), default="")
    before, now = values[: -limits.SMOOTHED], values[-limits.SMOOTHED :]
    if not driver or not before or max(before) < limits.LOCATED or any(collapsed(record)):
        return
    share, left = _share(record, driver), max(now) / max(before)
    if share >= limits.DOMINANT and left < limits.WORSE:
        gain = driver.removesuffix("_loss")
        yield Finding(
            ONE_OSCILLATES, record.trial, record.epoch,
            f"train/{driver} is {share:.0%} of the training loss, and mAP50 fell from {max(before):.2f} to "
            f"{max(now):.2f}",
            f"lower the gain `{gain}` or lr0, so that one component does not disturb the others",
            {"share of the training loss": share, "map50, share of the best": left},
        )  # fmt: skip


def collapsed(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the training loss vanished while nothing is detected."""
    train, found = record.total("train"), record.series("val/map50")
    if len(train) < limits.SMOOTHED or not found or train[0] <= 0:
        return
    share = train[-1] / train[0]
    if share < limits.COLLAPSED and found[-1] < limits.NOTHING:
        yield Finding(
            COLLAPSED, record.trial, record.epoch,
            f"the training loss is {share:.1%} of that of the first epoch, but mAP50 is {found[-1]:.3f}: the outputs "
            "of the network died",
            "lower lr0 (often tenfold) or lengthen warmup_epochs, and look at train/gradient_norm",
            {"loss, share of the first": share, "map50": found[-1]},
        )  # fmt: skip


def overfitting(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the validation loss rose above its lowest value while the training loss fell further."""
    curve, warm = record.curves.get("val/box_loss", {}), warm_up(record)
    epochs = [epoch for epoch in curve if epoch > warm and mosaic_as_now(record, epoch)]
    val, train = (_medians(record.total_at(split, epochs)) for split in ("val", "train"))
    if not val or len(val) != len(train):
        return
    place = min(range(len(val)), key=val.__getitem__)
    since, lowest, before = len(val) - 1 - place, val[place], train[place]
    if min(lowest, before) <= 0 or since < limits.SCISSORS:
        return
    if val[-1] > limits.RISE * lowest and train[-1] < limits.FALL * before:
        yield Finding(
            OVERFITTING, record.trial, record.epoch,
            f"the validation loss is {val[-1] / lowest - 1:.0%} above its lowest, {since} validations ago, while the "
            f"training loss fell by {1 - train[-1] / before:.0%} since",
            "more data or augmentation (mosaic, scale, hsv), higher weight_decay, fewer epochs or a smaller model",
            {"val loss before": lowest, "val loss": val[-1], "train loss before": before, "train loss": train[-1]},
        )  # fmt: skip


def box_slow(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the box loss falls slowly, compared with the class loss, and boxes are still loose."""
    box, kinds = (record.series(f"train/{name}") for name in ("box_loss", "cls_loss"))
    if min(len(box), len(kinds)) < max(limits.LEAST_EPOCHS + 1, limits.LEARNED * record.epochs):
        return
    if box[0] <= 0 or kinds[0] <= 0 or oscillates(box):  # the mean of one that oscillates says nothing on its fall
        return
    if max(record.series("val/map50"), default=0.0) < limits.LOCATED:
        return
    now, class_now = (fmean(values[-limits.SMOOTHED :]) for values in (box, kinds))
    box_fall, class_fall, gain = 1 - now / box[0], 1 - class_now / kinds[0], record.setting("box")
    if gain and now < limits.LOOSE * gain:
        return
    if class_fall >= limits.CLASS_FALL and box_fall < min(limits.BOX_FALL, limits.BOX_SHARE * class_fall):
        yield Finding(
            BOX_SLOW, record.trial, record.epoch,
            f"box_loss fell by {box_fall:.0%} from the first epoch, cls_loss by {class_fall:.0%}",
            "look whether boxes of the labels are loose or moved; if they are exact, raise lr0 or the gain `box`",
            {"box fall": box_fall, "class fall": class_fall, **({"1 - IoU": now / gain} if gain else {})},
        )  # fmt: skip


def plateau(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if neither metric nor training loss gained over the last epochs, with more to come."""
    epochs = [epoch for epoch in record.curves.get("train/box_loss", {}) if mosaic_as_now(record, epoch)]
    since = record.epoch - limits.FLAT_EPOCHS
    values, train = record.curves.get(record.metric, {}), record.total_at("train", [e for e in epochs if e > since])
    before = [value for epoch, value in values.items() if epoch <= since + limits.FLAT_EPOCHS // 2]
    after = [value for epoch, value in values.items() if epoch > since + limits.FLAT_EPOCHS // 2]
    if not before or not after or len(train) < limits.FLAT_EPOCHS or max(before) <= limits.NOTHING or not min(train):
        return
    half = limits.FLAT_EPOCHS // 2
    gain, fall = max(after) / max(before) - 1, 1 - fmean(train[half:]) / fmean(train[:half])
    window = [value for epoch, value in values.items() if epoch > since]
    steady = max(window) - min(window) < limits.FLAT_BAND * max(window)
    if steady and gain < limits.FLAT_METRIC and abs(fall) < limits.FLAT_LOSS and record.epoch < record.epochs:
        yield Finding(
            PLATEAU, record.trial, record.epoch,
            f"over {limits.FLAT_EPOCHS} epochs {record.metric} gained {gain:.1%} and the training loss fell by "
            f"{fall:.1%}",
            "raise lr0 or freeze fewer layers if the value is low; fewer epochs if it is good",
            {"gain": gain, "fall": fall, "best": max(*before, *after)},
        )  # fmt: skip


def nothing_learned(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the mAP50 is still at 0 late in the training."""
    values = record.series("val/map50")
    late = max(limits.LEAST_EPOCHS, limits.LONG_NOTHING * record.epochs)
    if values and record.validated >= late and max(values) < limits.NOTHING and not any(collapsed(record)):
        yield Finding(
            NOTHING, record.trial, record.validated,
            f"the best mAP50 of {record.validated} epochs is {max(values):.4f}",
            "raise lr0, train for more epochs or start from pretrained weights; look whether labels belong to their "
            "images",
            {"map50": max(values)},
        )  # fmt: skip


def components(record: TrainingRecord, split: str) -> dict[str, list[float]]:
    """Return the loss components after the warm-up by name, without those that are a negligible part of the total."""
    curves = after_warm_up(record, split)
    total = sum(fmean(values[-WINDOW:]) for values in curves.values() if values)
    return {name: values for name, values in curves.items() if values and fmean(values[-WINDOW:]) > limits.PART * total}


def after_warm_up(record: TrainingRecord, split: str) -> dict[str, list[float]]:
    """Return the loss components after the warm-up by name."""
    warm = warm_up(record)
    tags = {name: record.curves.get(f"{split}/{name}", {}) for name in LOSSES}
    return {name: [value for epoch, value in curve.items() if epoch > warm] for name, curve in tags.items()}


def warm_up(record: TrainingRecord) -> int:
    """Return the last epoch that begins in the warm-up."""
    return ceil(record.setting("warmup_epochs"))


def stuck(record: TrainingRecord) -> bool:
    """Return True if the best mAP50 of the last validations is not above that of those before."""
    values = record.series("val/map50")
    before, last = values[: -limits.SMOOTHED], values[-limits.SMOOTHED :]
    return bool(before) and max(last) <= max(before)


def mosaic_as_now(record: TrainingRecord, epoch: int) -> bool:
    """Return True if mosaic was on or off after an epoch as it is after the last one."""
    closing = record.epochs - record.setting("close_mosaic")
    return not record.setting("mosaic") or (epoch > closing) == (record.epoch > closing)


def _medians(values: list[float]) -> list[float]:
    """Return the running medians of three values: a validation loss has single high peaks."""
    width = limits.SMOOTHED
    return [median(values[start : start + width]) for start in range(len(values) - width + 1)]


def _share(record: TrainingRecord, driver: str) -> float:
    """Return the share of a component in the training loss."""
    means = {name: fmean(values[-WINDOW:]) for name, values in after_warm_up(record, "train").items() if values}
    return means.get(driver, 0.0) / (sum(means.values()) or 1.0)


def _swing(values: list[float]) -> float:
    last = values[-WINDOW:]
    return fmean(abs(after - before) for before, after in pairwise(last)) / fmean(map(abs, last))


def _least_swing(record: TrainingRecord, name: str) -> float:
    """Return the mean step of a validation loss above which it oscillates: less where it is nearly all of the loss."""
    return limits.DOMINANT_SWING if _share(record, name) >= limits.DOMINANT else limits.SWING


def _swings_widely(values: list[float], *, above: float) -> bool:
    last = values[-WINDOW:]
    if len(last) < WINDOW or not any(last):
        return False
    steps = [after - before for before, after in pairwise(last)]
    turns = sum(one * other < 0 for one, other in pairwise(steps))
    return turns >= limits.VAL_TURNS and _swing(values) > above


def _settled(values: list[float]) -> bool:
    last = values[-WINDOW:]
    if len(last) < WINDOW or not any(last):
        return False
    half = WINDOW // 2
    change = abs(fmean(last[:half]) - fmean(last[half:])) / fmean(map(abs, last))
    return change < limits.SETTLED
