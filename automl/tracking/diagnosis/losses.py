"""Rules on losses and the metric: oscillation, overfitting, a slow component, plateau, nothing learned."""

from collections.abc import Iterator
from itertools import pairwise
from statistics import fmean
from typing import Final

from automl.study.curve_shape import WINDOW, oscillates
from automl.tracking.diagnosis import thresholds as limits
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.record import LOSSES, TrainingRecord

OSCILLATES: Final = "loss oscillates"
ONE_OSCILLATES: Final = "one loss oscillates"
OVERFITTING: Final = "overfitting"
BOX_SLOW: Final = "box loss slow"
PLATEAU: Final = "plateau"
NOTHING: Final = "nothing learned"


def oscillation(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if a training loss oscillates; another name where a second component has converged."""
    curves = {name: record.series(f"train/{name}") for name in LOSSES}
    swinging = {name: _swing(values) for name, values in curves.items() if oscillates(values)}
    if not swinging:
        return
    driver = max(swinging, key=lambda name: fmean(curves[name][-WINDOW:]) * swinging[name])
    settled = [name for name, values in curves.items() if name not in swinging and _settled(values)]
    numbers = {f"swing {name}": share for name, share in swinging.items()}
    told = f"{driver} changes by {swinging[driver]:.0%} of its mean from epoch to epoch"
    if settled:
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


def overfitting(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the validation loss rises while the training loss falls."""
    val, train = record.total("val"), record.total("train")
    val_epochs = [*record.curves.get("val/box_loss", {})]
    if len(val) < limits.RISING_EPOCHS + limits.SMOOTHED or len(val_epochs) < len(val):
        return
    least = min(range(len(val)), key=val.__getitem__)
    now, then = fmean(val[-limits.SMOOTHED :]), val[least]
    since = val_epochs[-1] - val_epochs[least]
    fall = fmean(train[-limits.SMOOTHED :]) / train[min(val_epochs[least], len(train)) - 1]
    if since >= limits.RISING_EPOCHS and now > limits.RISE * then and fall < limits.FALL:
        yield Finding(
            OVERFITTING, record.trial, record.epoch,
            f"the validation loss is {now / then - 1:.0%} above its least value at epoch {val_epochs[least]}, while "
            f"the training loss fell by {1 - fall:.0%}",
            "more data or augmentation (mosaic, scale, hsv), higher weight_decay, fewer epochs or a smaller model",
            {"val loss": now, "least val loss": then, "train loss, share": fall, "epochs since": since},
        )  # fmt: skip


def box_slow(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the box loss falls slowly, compared with the class loss."""
    box, kinds = (record.series(f"train/{name}") for name in ("box_loss", "cls_loss"))
    if len(kinds) < max(limits.LEAST_EPOCHS + 1, limits.LEARNED * record.epochs) or min(*box[:1], *kinds[:1]) <= 0:
        return
    if oscillates(box):  # its mean says nothing on its fall
        return
    box_fall, class_fall = (1 - fmean(values[-limits.SMOOTHED :]) / values[0] for values in (box, kinds))
    if class_fall >= limits.CLASS_FALL and box_fall < limits.BOX_FALL * class_fall:
        yield Finding(
            BOX_SLOW, record.trial, record.epoch,
            f"box_loss fell by {box_fall:.0%} from the first epoch, cls_loss by {class_fall:.0%}",
            "look whether boxes of the labels are loose or moved; if they are exact, raise lr0 or the gain `box`",
            {"box fall": box_fall, "class fall": class_fall},
        )  # fmt: skip


def plateau(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if neither metric nor training loss gained over the last epochs, with more to come."""
    values, train = record.curves.get(record.metric, {}), record.total("train")
    before = [value for epoch, value in values.items() if epoch <= record.epoch - limits.FLAT_EPOCHS]
    after = [value for epoch, value in values.items() if epoch > record.epoch - limits.FLAT_EPOCHS]
    if not before or not after or len(train) <= limits.FLAT_EPOCHS or max(before) <= limits.NOTHING:
        return
    half = limits.FLAT_EPOCHS // 2
    earlier, later = fmean(train[-limits.FLAT_EPOCHS : -half]), fmean(train[-half:])
    gain, fall = max(after) / max(before) - 1, 1 - later / earlier
    if gain < limits.FLAT_METRIC and abs(fall) < limits.FLAT_LOSS and record.epoch < record.epochs:
        yield Finding(
            PLATEAU, record.trial, record.epoch,
            f"over {limits.FLAT_EPOCHS} epochs {record.metric} gained {gain:.1%} and the training loss fell by "
            f"{fall:.1%}",
            "raise lr0 or freeze fewer layers if the value is low; fewer epochs if it is good",
            {"gain": gain, "fall": fall, "best": max(*before, *after)},
        )  # fmt: skip


def nothing_learned(record: TrainingRecord) -> Iterator[Finding]:
    """Yield a finding if the mAP50 is still at 0 after half of the epochs."""
    values = record.series("val/map50")
    late = max(limits.LEAST_EPOCHS, limits.LEARNED * record.epochs)
    if values and record.validated >= late and max(values) < limits.NOTHING:
        yield Finding(
            NOTHING, record.trial, record.validated,
            f"the best mAP50 of {record.validated} epochs is {max(values):.4f}",
            "raise lr0, train for more epochs or start from pretrained weights; look whether labels belong to their "
            "images",
            {"map50": max(values)},
        )  # fmt: skip


def _swing(values: list[float]) -> float:
    last = values[-WINDOW:]
    return fmean(abs(after - before) for before, after in pairwise(last)) / fmean(map(abs, last))


def _settled(values: list[float]) -> bool:
    last = values[-WINDOW:]
    if len(last) < WINDOW or not any(last):
        return False
    half = WINDOW // 2
    change = abs(fmean(last[:half]) - fmean(last[half:])) / fmean(map(abs, last))
    return change < limits.SETTLED
