"""INT8 quantization of an OpenVINO model, block by block taken back to floating point where it loses too much.

Quantized by NNCF (post-training, calibrated on images). A block is a part of the network with a common prefix of its
nodes' names, such as `model.22`; the last one, the detection head, is divided into its branches. Which block hurts is
measured on the outputs: the error that is left when this block alone is in floating point.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.release import causes, openvino_models
from automl.release.openvino_models import Model
from automl.study.errors import ExportError

DECODING: Final = r"(dfl|Sub|Add|Div|Mul|Sigmoid|Concat|Split|Slice|Softmax)(_\d+)?(/.*)?$"
PROBES: Final = 8
"""Calibration images on which the blocks are compared."""
QUANTIZER: Final = "FakeQuantize"
ROW: Final = 6
"""Numbers of a box of an end-to-end head."""
MOST_CALIBRATION: Final = 300
"""NNCF's default number of calibration images."""


def int8(model: Model, calibration: NDArray[np.float32], *, passes: Callable[[Model], bool]) -> tuple[Model, list[str]]:
    """Return the quantized model with as few blocks in floating point as `passes` allows, and these blocks.

    `passes` measures a model on val. It is called with 0, 1, 2, 4 ... blocks in floating point, then by bisection.

    Args:
        model: an OpenVINO model in FP32.
        calibration: images as the model's input, n x channels x height x width.
        passes: the criterion.

    Raises:
        ExportError: no block can be in INT8.
    """
    quantized = quantized_but_for_decoding(model, calibration)
    if passes(quantized):
        return openvino_models.compressed(quantized), []
    order = by_harm(model, quantized, calibration[:PROBES])
    count = _fewest(len(order), lambda most: passes(in_float(quantized, order[:most])))
    if count == len(order):
        raise ExportError("int8: a block must pass in INT8, but the loss is too large with any; set precision: fp16")
    return openvino_models.compressed(in_float(quantized, order[:count])), sorted(order[:count])


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


def quantized_but_for_decoding(model: Model, calibration: NDArray[np.float32]) -> Model:
    """Return a model in INT8 but for the arithmetic that turns the head's outputs into boxes and scores.

    Boxes are pixels of the input there: 255 steps over its whole edge would round each to whole pixels and more.
    """
    head = _head(node.get_friendly_name() for node in model.get_ordered_ops())
    return openvino_models.quantize(model, calibration, except_for=[rf"/{re.escape(head)}/{DECODING}"] if head else [])


def _head(names: Iterable[str]) -> str:
    """Return the last layer of a network; empty if no name contains one.

    >>> _head(["/model.9/cv1/Conv", "/model.10/Sub", "Constant_7"])
    'model.10'
    """
    layers = {name.strip("/").split("/")[0] for name in names}
    return max((layer for layer in layers if _place(layer) >= 0), key=_place, default="")


def quantizers(model: Model) -> Mapping[str, Sequence[str]]:
    """Return the names of the quantizing nodes of each block, in the order of the network."""
    names = [node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() == QUANTIZER]
    layers = [name.strip("/").split("/") for name in names]
    head = _head(names)
    blocks: dict[str, list[str]] = defaultdict(list)
    for name, parts in zip(names, layers, strict=True):
        inside = parts[0] == head and len(parts) > 2
        blocks["/".join(parts[:2]) if inside else parts[0]].append(name)
    return blocks


def _place(layer: str) -> int:
    """Return the number of a layer: 22 of `model.22`; -1 if it has none."""
    found = re.fullmatch(r"[a-z_]+\.(\d+)", layer)
    return int(found[1]) if found else -1


def in_float(quantized: Model, blocks: Sequence[str]) -> Model:
    """Return a copy of a quantized model in which these blocks are in floating point."""
    names = {name for block, inside in quantizers(quantized).items() if block in blocks for name in inside}
    copy = quantized.clone()
    for node in copy.get_ordered_ops():
        if node.get_friendly_name() in names:
            node.output(0).replace(node.input_value(0))
    copy.validate_nodes_and_infer_types()
    return copy


def by_harm(model: Model, quantized: Model, pictures: NDArray[np.float32]) -> list[str]:
    """Return the blocks, the one whose quantization changes the outputs most first."""
    wanted = outputs(model, pictures)
    left = {
        block: causes.difference(outputs(in_float(quantized, [block]), pictures), wanted)
        for block in quantizers(quantized)
    }
    return sorted(left, key=lambda block: left[block])


def outputs(model: Model, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a model's outputs, n x (4 + classes) x anchors; of an end-to-end head n x 6 x rows."""
    compiled = openvino_models.compiled(model)
    found = np.concatenate([np.asarray(compiled(picture[None])[0]) for picture in pictures])
    return found.transpose(0, 2, 1) if found.shape[-1] == ROW else found
