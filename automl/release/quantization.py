"""INT8 quantization, block by block taken back to floating point where it loses too much; for any format of a target.

A block is a part of the network with a common prefix of its nodes' names, such as `model.22`; the last one, the
detection head, is divided into its branches. Which block hurts is measured on the outputs: the error that is left when
this block alone is in floating point.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.release import causes
from automl.release.target_format import Array, Model, Quantizer
from automl.study.errors import ExportError

PROBES: Final = 8
"""Calibration images on which the blocks are compared."""
ROW: Final = 6
"""Numbers of a box of an end-to-end head."""
MOST_CALIBRATION: Final = 300
"""NNCF's default number of calibration images."""


@dataclass(frozen=True, slots=True)
class Quantized:
    """A model as it ships."""

    model: Model
    in_float: Sequence[str]
    """Its blocks in floating point."""
    throughout: Model | None = None
    """The model with every block in INT8, if that is another."""


def int8(kind: Quantizer, model: Model, calibration: Array, *, passes: Callable[[Model], bool]) -> Quantized:
    """Return the quantized model with as few blocks in floating point as `passes` allows, and these blocks.

    `passes` measures a model on val. It is called with 0, 1, 2, 4 ... blocks in floating point, then by bisection.

    Args:
        kind: the format of the target.
        model: a model in FP32.
        calibration: images as the model's input, n x channels x height x width.
        passes: the criterion.

    Raises:
        ExportError: no block can be in INT8.
    """
    quantized = kind.quantized(model, calibration)
    if passes(quantized):
        return Quantized(kind.finished(quantized), [])
    order = by_harm(kind, model, quantized, calibration[:PROBES])
    count = _fewest(len(order), lambda most: passes(kind.in_float(quantized, order[:most])))
    if count == len(order):
        raise ExportError("int8: a block must pass in INT8, but the loss is too large with any; set precision: fp16")
    shipped = kind.finished(kind.in_float(quantized, order[:count]))
    return Quantized(shipped, sorted(order[:count]), kind.finished(quantized))


def calibration(images: Sequence[Path], *, seed: int) -> tuple[Path, ...]:
    """Return a random sample of images for the calibration, at most `MOST_CALIBRATION`, in order."""
    drawn = np.random.default_rng(seed).permutation(len(images))[:MOST_CALIBRATION]
    return tuple(images[index] for index in sorted(drawn))


def _fewest(most: int, passes: Callable[[int], bool]) -> int:
    """Return the least count from 1 to `most` that passes, if a larger one passes whenever a smaller does.

    >>> _fewest(20, lambda count: count >= 6)
    6
    >>> _fewest(3, lambda count: False)
    3
    """
    low, high = 0, 1
    while high < most and not passes(high):
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def head(names: Iterable[str]) -> str:
    """Return the last layer of a network; empty if no name contains one.

    >>> head(["/model.9/cv1/Conv", "/model.10/Sub", "Constant_7"])
    'model.10'
    """
    layers = {name.strip("/").split("/")[0] for name in names}
    return max((layer for layer in layers if _place(layer) >= 0), key=_place, default="")


def blocks(names: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return the names of nodes by block, in the order of the network; names in no layer are a block each.

    >>> dict(blocks(["/model.0/conv/Conv", "/model.9/cv2/Conv", "/model.9/cv3/Conv"]))
    {'model.0': ['/model.0/conv/Conv'], 'model.9/cv2': ['/model.9/cv2/Conv'], 'model.9/cv3': ['/model.9/cv3/Conv']}
    """
    listed = list(names)
    last = head(listed)
    found: dict[str, list[str]] = defaultdict(list)
    for name in listed:
        parts = name.strip("/").split("/")
        inside = parts[0] == last and len(parts) > 2
        found["/".join(parts[:2]) if inside else parts[0]].append(name)
    return found


def _place(layer: str) -> int:
    """Return the number of a layer: 22 of `model.22`; -1 if it has none."""
    found = re.fullmatch(r"[a-z_]+\.(\d+)", layer)
    return int(found[1]) if found else -1


def by_harm(kind: Quantizer, model: Model, quantized: Model, pictures: Array) -> list[str]:
    """Return the blocks, the one whose quantization changes the outputs most first."""
    wanted = kind.outputs(model, pictures)
    left = {
        block: causes.difference(kind.outputs(kind.in_float(quantized, [block]), pictures), wanted)
        for block in kind.quantizers(quantized)
    }
    return sorted(left, key=lambda block: left[block])


def by_rows(outputs: NDArray[np.float32]) -> Array:
    """Return raw outputs as n x (4 + classes) x anchors; of an end-to-end head as n x 6 x rows."""
    return outputs.transpose(0, 2, 1) if outputs.shape[-1] == ROW else outputs
