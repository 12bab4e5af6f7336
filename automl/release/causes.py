"""Cause of a difference between an exported model and its weights, by its raw outputs on the same images.

A wrong export is nearly always one of few mistakes. Each is a hypothesis here: a change of the weights' inputs or
outputs that, if it explains the difference, makes the outputs equal.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Run = Callable[[Array], Array]
"""From letterboxed images, n x channels x size x size, RGB, 0 to 1, to raw outputs, n x (4 + classes) x anchors."""

CLOSE: Final = 1e-2
"""A hypothesis holds if the mean difference that it leaves is at most this share of the unexplained one."""
BOX: Final = 4
CONFIDENT: Final = 0.05
"""Anchors with a lower score are noise: their class and their box say nothing."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A change to the weights' outputs that would explain the difference."""

    cause: str
    outputs: Array


def cause(exported: Run, weights: Run, pictures: Array) -> str:
    """Return what explains the difference between two models, or that it looks like other weights.

    Args:
        exported: the model that differs.
        weights: the model that it should equal.
        pictures: the images of both.
    """
    found, wanted = exported(pictures), weights(pictures)
    if found.shape != wanted.shape:
        return f"outputs must have shape {wanted.shape[1:]}, but have {found.shape[1:]}: it is of another model or size"
    if not np.isfinite(found).all():
        return "its outputs are not finite"
    unexplained = difference(found, wanted)
    for one in _hypotheses(found, wanted, weights, pictures):
        if difference(found, one.outputs) <= CLOSE * unexplained:
            return one.cause
    return "no known mistake of preparation explains it: it was exported from other weights, or damaged"


def _hypotheses(found: Array, wanted: Array, weights: Run, pictures: Array) -> Iterator[Hypothesis]:
    yield from _of_scores(found, wanted)
    swapped = np.ascontiguousarray(pictures[:, ::-1])
    yield Hypothesis("its channels are swapped: it takes BGR, not RGB", weights(swapped))
    yield Hypothesis(
        "it divides its input by 255 once more: the input is 0 to 1", weights((pictures / 255).astype(np.float32))
    )
    yield Hypothesis("its input is not divided by 255: it takes 0 to 255", weights(pictures * 255))
    yield Hypothesis("its letterbox is not centred: the picture is at the top left", weights(_to_top_left(pictures)))


def _of_scores(found: Array, wanted: Array) -> Iterator[Hypothesis]:
    """Yield the hypotheses on the scores alone, which leave the boxes as they are."""
    classes = wanted.shape[1] - BOX
    sure = wanted[:, BOX:].max(axis=1) > CONFIDENT
    if classes < 1 or not sure.any():
        return
    ours, theirs = (np.moveaxis(outputs[:, BOX:], 1, -1)[sure] for outputs in (found, wanted))
    distances = np.abs(ours[:, :, None] - theirs[:, None, :]).mean(axis=0)
    order = distances.argmin(axis=1)
    if sorted(order) == list(range(classes)) and list(order) != list(range(classes)):
        moved = np.concatenate([wanted[:, :BOX], wanted[:, BOX:][:, order]], axis=1)
        yield Hypothesis(f"its classes are in another order: {[int(place) for place in order]}", moved)
    scale = float((ours * theirs).sum() / (theirs * theirs).sum())
    scaled = np.concatenate([wanted[:, :BOX], wanted[:, BOX:] * np.float32(scale)], axis=1)
    yield Hypothesis(f"its confidences are {scale:.2f} times those of the weights, the ranks are the same", scaled)


def _to_top_left(pictures: Array) -> Array:
    """Move the content of centred letterboxes, framed by equal grey rows or columns, to the top left."""
    moved = pictures.copy()
    for index, picture in enumerate(pictures):
        for axis in (1, 2):
            lines = np.moveaxis(picture, axis, 0).reshape(picture.shape[axis], -1)
            inside = np.flatnonzero(np.ptp(lines, axis=1) > 0)
            if len(inside):
                moved[index] = np.roll(moved[index], -inside[0], axis=axis)
    return moved


def difference(ours: Array, theirs: Array) -> float:
    """Return the mean difference of outputs where either model is confident, relative to one plus the magnitude."""
    sure = np.maximum(ours[:, BOX:].max(axis=1), theirs[:, BOX:].max(axis=1)) > CONFIDENT
    if not sure.any():
        sure = np.ones_like(sure)
    relative = np.abs(ours - theirs) / (1 + np.abs(theirs))
    return float(np.moveaxis(relative, 1, -1)[sure].mean())
