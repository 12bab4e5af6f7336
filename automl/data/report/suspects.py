"""Suspicious labels: tiny, huge, duplicated, cut at the border, or the place of a box of another class."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from automl.data.report.boxes import Boxes, Floats, Ints
from automl.data.report.records import Box, Suspect
from automl.data.report.thresholds import (
    BORDER,
    ENOUGH,
    HUGE_SHARE,
    MOST_LISTED,
    MOST_NEIGHBOURS,
    OTHER_CLASS_IOU,
    REPEATED_IOU,
    SLIVER,
    TINY_SIDE,
)

OVERLAPPING: Final = "overlapping another class"
REPEATED: Final = "duplicated"
OUTSIDE: Final = "outside the image"
CUT: Final = "cut at the border"
HUGE: Final = "huge"
TINY: Final = "tiny"
KINDS: Final = (OVERLAPPING, REPEATED, OUTSIDE, HUGE, TINY, CUT)


@dataclass(frozen=True, slots=True)
class Found:
    """Boxes of one kind, as indexes into the boxes of a split."""

    kind: str
    indexes: Ints
    badness: Floats
    partners: Ints | None = None


@dataclass(frozen=True, slots=True)
class Overlaps:
    """Pairs of boxes of one image with an overlap above the lower threshold."""

    first: Ints
    second: Ints
    iou: Floats
    complete: bool
    """False if more than MOST_NEIGHBOURS boxes of an image start at one place."""


def find(boxes: Boxes) -> tuple[list[Found], bool]:
    """Return the suspicious boxes of a split by kind, and whether all overlaps were examined."""
    overlaps = pairs(boxes)
    return [*_overlapping(boxes, overlaps), *_alone(boxes)], overlaps.complete


def suspects(found: Found, boxes: Boxes, names: Mapping[int, str], *, split: str) -> Iterator[Suspect]:
    """Yield the worst boxes of a kind."""
    pixels = boxes.pixels
    for place in np.argsort(-found.badness, kind="stable")[:MOST_LISTED]:
        index, badness = int(found.indexes[place]), float(found.badness[place])
        partner = None if found.partners is None else int(found.partners[place])
        width, height = pixels[index]
        other = "" if partner is None else names[int(boxes.classes[partner])]
        text = {
            TINY: f"{width:.1f} x {height:.1f} px",
            HUGE: f"covers {badness:.0%} of the image",
            OUTSIDE: f"reaches {badness:.0f} px beyond the image",
            CUT: f"touches the border, with {1 - badness:.0%} of the usual side of its class left",
            REPEATED: f"IoU {badness:.2f} with another box of its class",
            OVERLAPPING: f"IoU {badness:.2f} with a box of class {other}",
        }[found.kind]
        yield Suspect(
            split, boxes.images[int(boxes.rows[index])], names[int(boxes.classes[index])], _box(boxes, index),
            text, badness, None if partner is None else _box(boxes, partner),
        )  # fmt: skip


def pairs(boxes: Boxes) -> Overlaps:
    """Find all pairs of boxes of one image with an IoU above OTHER_CLASS_IOU.

    Boxes are sorted by image and left edge. An IoU above t needs a common width of more than t of either width, so that
    the left edges differ by less than 1 - t of the width of the first: each box is compared with the few that follow.
    """
    corners = boxes.corners
    order = np.lexsort((corners[:, 0], boxes.rows))
    rows, left, width = boxes.rows[order], corners[order, 0], boxes.pixels[order, 0]
    active, found = np.arange(len(order)), list[tuple[Ints, Ints, Floats]]()
    for step in range(1, MOST_NEIGHBOURS + 1):
        active = active[active + step < len(order)]
        following = active + step
        near = (rows[following] == rows[active]) & (
            left[following] - left[active] <= (1 - OTHER_CLASS_IOU) * width[active]
        )
        active = active[near]
        if not len(active):
            break
        one, other = order[active], order[active + step]
        iou = _iou(corners[one], corners[other])
        close = iou > OTHER_CLASS_IOU
        found.append((one[close], other[close], iou[close]))
    if not found:
        return Overlaps(*(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)), complete=True)
    first, second, iou = (np.concatenate(column) for column in zip(*found, strict=True))
    return Overlaps(first, second, iou, complete=not len(active))


def _iou(one: Floats, other: Floats) -> Floats:
    common = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    inside = common.clip(min=0).prod(axis=1)
    areas = (one[:, 2:] - one[:, :2]).prod(axis=1) + (other[:, 2:] - other[:, :2]).prod(axis=1)
    return np.asarray(inside / np.maximum(areas - inside, 1e-9))


def _overlapping(boxes: Boxes, overlaps: Overlaps) -> Iterator[Found]:
    same = boxes.classes[overlaps.first] == boxes.classes[overlaps.second]
    repeated = same & (overlaps.iou > REPEATED_IOU)
    for kind, chosen in ((OVERLAPPING, ~same), (REPEATED, repeated)):
        # Of a pair, the box that is later in the label file is the suspect.
        earlier = np.minimum(overlaps.first, overlaps.second)[chosen]
        later = np.maximum(overlaps.first, overlaps.second)[chosen]
        yield Found(kind, later, overlaps.iou[chosen], earlier)


def _alone(boxes: Boxes) -> Iterator[Found]:
    """Yield the kinds that a single box shows."""
    short = boxes.pixels.min(axis=1, initial=np.inf)
    yield _chosen(TINY, short < TINY_SIDE, -short)
    share = boxes.places[:, 2:].prod(axis=1)
    yield _chosen(HUGE, share > HUGE_SHARE, share)
    corners = boxes.corners
    beyond = np.maximum(-corners[:, :2], corners[:, 2:] - boxes.frames).max(axis=1, initial=-np.inf)
    yield _chosen(OUTSIDE, beyond > BORDER, beyond)
    yield _cut(boxes, corners)


def _cut(boxes: Boxes, corners: Floats) -> Found:
    """Return the boxes at the border of which little is left, against the boxes of their class inside the image.

    Only the side that the border cuts is compared: the width at the left and right, the height at the top and bottom.
    """
    low, high = corners[:, :2] <= BORDER, corners[:, 2:] >= boxes.frames - BORDER
    border = low ^ high  # n x 2; a box that spans the image is not cut
    share = np.ones((len(border), 2))
    for number in np.unique(boxes.classes[border.any(axis=1)]):
        mine = boxes.classes == number
        inside = boxes.pixels[mine & ~(low | high).any(axis=1)]
        if len(inside) >= ENOUGH:
            share[mine] = boxes.pixels[mine] / np.maximum(np.median(inside, axis=0), 1.0)
    left = np.where(border, share, 1.0).min(axis=1, initial=1.0)
    return _chosen(CUT, left < SLIVER, 1 - left)


def _chosen(kind: str, mask: "np.ndarray[tuple[int], np.dtype[np.bool_]]", badness: Floats) -> Found:
    indexes = np.flatnonzero(mask)
    return Found(kind, indexes, badness[indexes])


def _box(boxes: Boxes, index: int) -> Box:
    x, y, width, height = boxes.places[index].tolist()
    return x, y, width, height
