"""Rules on the model that ships, from its detections on the judged split: threshold, features, false detections."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.storage.boxes import Boxes, overlaps
from automl.tracking.diagnosis import thresholds as limits
from automl.tracking.diagnosis.detections import BACKGROUND
from automl.tracking.diagnosis.finding import Finding
from automl.tracking.diagnosis.matches import FAR, IOU, Matches, confusion, kinds_of, match, tightened
from automl.tracking.diagnosis.shipped_model import ShippedModel
from automl.tracking.diagnosis.sweep import Sweep, honest_gain

TOO_HIGH: Final = "threshold too high"
TOO_LOW: Final = "threshold too low"
FEATURES: Final = "objects without a box"
CONFUSED: Final = "classes confused"
SAME_PLACE: Final = "false detections at one place"
DUPLICATES: Final = "duplicate boxes"
NAMES: Final = (TOO_HIGH, TOO_LOW, FEATURES, CONFUSED, BACKGROUND, SAME_PLACE, DUPLICATES)
TRIED: Final = (0.6, 0.5, 0.4, 0.3)
"""IoU thresholds of suppression that are tried."""


def findings(model: ShippedModel) -> list[Finding]:
    """Return what all rules find in a model."""
    found = [finding for rule in (threshold, features) for finding in rule(model)]
    if model.boxes is None or model.matches is None:
        return found
    for rule_of_boxes in (confused, background, same_place, duplicates):
        found += rule_of_boxes(model, model.boxes, model.matches)
    return found


def threshold(model: ShippedModel) -> Iterator[Finding]:
    """Yield a finding for each class that is served with a threshold far from its best one."""
    for kind, name, _ in _classes(model):
        sweep = Sweep.of(model.stats, kind)
        now, best = sweep.at(model.threshold), sweep.best
        gain = honest_gain(model.stats, kind, model.threshold)
        if gain < limits.F1_GAIN or best.f1 < limits.GOOD_F1:
            continue
        low = best.threshold < now.threshold
        what, then = ("recall", "lower") if low else ("precision", "raise")
        before, after = getattr(now, what), getattr(best, what)
        yield Finding(
            TOO_HIGH if low else TOO_LOW, model.name, 0,
            f"{name}: {what} {before:.2f} on {model.split} at the served threshold {now.threshold:g}, {after:.2f} at "
            f"{best.threshold:g} (F1 {now.f1:.2f} and {best.f1:.2f}); the features are learned",
            f"{then} the threshold: serve {name} with conf={best.threshold:g}, or train longer so that confidences "
            "settle",
            {
                "served threshold": now.threshold, "best threshold": best.threshold, f"{what} served": before,
                f"{what} best": after, "f1 served": now.f1, "f1 best": best.f1, "f1 gain": gain,
            },
            subject=name,
        )  # fmt: skip


def features(model: ShippedModel) -> Iterator[Finding]:
    """Yield a finding for each class many of whose objects no box covers at any confidence."""
    for kind, name, boxes in _classes(model):
        alone = 1 - Sweep.of(model.stats, kind).ceiling
        if model.matches is not None:
            alone = float(np.mean(model.matches.cover[model.stats.truth_kind == kind] < IOU))
        if alone < limits.UNCOVERED:
            continue
        size = _median_side(model, kind)
        small = f"; half of these objects are smaller than {size:.0f} pixels of the image" if size else ""
        yield Finding(
            FEATURES, model.name, 0,
            f"{name}: {alone:.0%} of {boxes} objects on {model.split} have no box at any confidence{small}",
            f"no threshold finds them: add images of {name} and look at its labels, enlarge imgsz if the objects are "
            "small, train longer or take a larger model",
            {"share": alone, "boxes": boxes, **({"side": size} if size else {})}, subject=name,
        )  # fmt: skip


def _median_side(model: ShippedModel, kind: int) -> float:
    """Return the median side, in pixels of the image, of the objects of a class without a box; 0 if not known."""
    if model.boxes is None or model.matches is None:
        return 0.0
    alone = (model.stats.truth_kind == kind) & (model.matches.cover < IOU)
    sizes = model.boxes.sizes[model.stats.truth_image[alone]]
    sides = (model.boxes.truth[alone, 2:] - model.boxes.truth[alone, :2]) * sizes
    return float(np.median(np.sqrt(sides.prod(axis=1))))


def confused(model: ShippedModel, boxes: Boxes, matches: Matches) -> Iterator[Finding]:
    """Yield a finding for each class many of whose objects are found as another class."""
    kept = model.stats.conf > model.threshold
    kinds, matrix = kinds_of(model.stats, kept), confusion(model.stats, boxes, matches, kept)
    for kind, name, count in _classes(model):
        column = matrix[:-1, int(np.searchsorted(kinds, kind))].astype(float)
        column[int(np.searchsorted(kinds, kind))] = 0
        other = int(column.argmax())
        share = column[other] / count
        if share >= limits.CONFUSED:
            taken = model.names.get(int(kinds[other]), str(kinds[other]))
            yield Finding(
                CONFUSED, model.name, 0,
                f"{share:.0%} of {count} objects {name} on {model.split} are found as {taken}, at the served threshold "
                f"{model.threshold:g}",
                f"look at the labels of {name} and {taken} for objects of one kind in both, add images of the rarer "
                "one, or make them one class",
                {"share": share, "boxes": count}, subject=name,
            )  # fmt: skip


def background(model: ShippedModel, boxes: Boxes, matches: Matches) -> Iterator[Finding]:
    """Yield a finding if many of the served boxes overlap no object."""
    del boxes
    kept = model.stats.conf > model.threshold
    false = kept & ~matches.hits(kept)
    far = false & (matches.overlap < FAR)
    share = far.sum() / max(kept.sum(), 1)
    if kept.sum() >= limits.SERVED and share >= limits.BACKGROUND:
        of_false = far.sum() / false.sum()
        yield Finding(
            BACKGROUND, model.name, 0,
            f"{share:.0%} of {kept.sum()} boxes on {model.split} above the served threshold {model.threshold:g} "
            f"overlap no labelled object, {of_false:.0%} of the false ones",
            "look at the worst of them in the report: if there are objects, labels are missing; if not, add images of "
            "background without labels",
            {"background share": share, "share of false": of_false, "boxes": int(kept.sum())},
        )  # fmt: skip


def same_place(model: ShippedModel, boxes: Boxes, matches: Matches) -> Iterator[Finding]:
    """Yield a finding if false detections of background lie at the same place of many images."""
    kept = model.stats.conf > model.threshold
    far = np.flatnonzero(kept & ~matches.hits(kept) & (matches.overlap < FAR))
    if len(far) < limits.SAME_IMAGES:
        return
    far = far[np.argsort(-model.stats.conf[far], kind="stable")][: limits.MOST_COMPARED]
    centre, images = densest(boxes.found[far], model.stats.image[far])
    share, there = images / len(far), boxes.found[far[centre]]
    objects = float(np.mean(overlaps(there[None], boxes.truth)[0] >= IOU)) if len(boxes.truth) else 0.0
    if images >= limits.SAME_IMAGES and share >= limits.SAME_PLACE and objects < limits.OBJECTS_THERE * share:
        x, y = (float(value) for value in (there[:2] + there[2:]) / 2)
        yield Finding(
            SAME_PLACE, model.name, 0,
            f"{share:.0%} of {len(far)} false detections of background on {model.split} lie at one place, about "
            f"{x:.0%} from the left and {y:.0%} from the top, in {images} images",
            "look at that place: mask or cut off a fixture or reflection that is always there, or add images of it "
            "without labels",
            {"share": share, "images": images, "x": x, "y": y},
        )  # fmt: skip


def densest(boxes: NDArray[np.float64], image: NDArray[np.int64]) -> tuple[int, int]:
    """Return the box that others of most images overlap by `IOU`, and the number of these images with its own."""
    close = overlaps(boxes, boxes) >= IOU
    counts = [len(np.unique(image[row])) for row in close]
    return int(np.argmax(counts)), int(max(counts))


def duplicates(model: ShippedModel, boxes: Boxes, matches: Matches) -> Iterator[Finding]:
    """Yield a finding if a lower IoU of non-maximum suppression removes many false boxes."""
    kept = model.stats.conf > model.threshold
    truths = len(model.stats.truth_kind)
    now = 2 * matches.hits(kept).sum() / max(kept.sum() + truths, 1)
    tried = {}
    for iou in (value for value in TRIED if value < model.iou):
        remains = tightened(model.stats, boxes, kept, iou=iou)
        tried[iou] = 2 * _hits(model, boxes, remains) / max(remains.sum() + truths, 1), int(remains.sum())
    best = max(tried, key=lambda iou: tried[iou][0], default=None)
    if best is None or tried[best][0] - now < limits.SUPPRESSION_GAIN or kept.sum() < limits.SERVED:
        return
    f1, remaining = tried[best]
    yield Finding(
        DUPLICATES, model.name, 0,
        f"{kept.sum() - remaining} of {kept.sum()} served boxes on {model.split} repeat another of their class: F1 "
        f"{now:.2f} with suppression at IoU {model.iou:g}, {f1:.2f} at {best:g}",
        f"serve with iou={best:g}, or set train.iou: {best:g}",
        {"served iou": model.iou, "best iou": best, "f1 served": float(now), "f1 best": float(f1)},
    )  # fmt: skip


def _hits(model: ShippedModel, boxes: Boxes, kept: NDArray[np.bool_]) -> int:
    """Return how many true boxes the kept detections find among themselves."""
    stats = model.stats
    mine = type(stats)(
        stats.image[kept], stats.tp[kept], stats.conf[kept], stats.kind[kept], stats.truth_image, stats.truth_kind,
        stats.images, stats.names,
    )  # fmt: skip
    part = match(mine, Boxes(boxes.found[kept], boxes.truth, boxes.sizes))
    return int((part.truth >= 0).sum())


def _classes(model: ShippedModel) -> Iterator[tuple[int, str, int]]:
    """Yield number, name and true boxes of the classes with enough of them."""
    for kind, count in zip(*np.unique(model.stats.truth_kind, return_counts=True), strict=True):
        if count >= limits.CLASS_BOXES:
            yield int(kind), model.names.get(int(kind), str(kind)), int(count)
