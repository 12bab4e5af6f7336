"""Pictures of a training: images with boxes drawn, a confusion matrix, precision-recall curves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from automl.storage.epoch_details import PrCurve

Pixels = NDArray[np.uint8]
TINY: Final = 8
"""Pixels of the model's input: the stride of YOLO's finest level; objects below have no cell of their own."""
MOST_IMAGES: Final = 9
EDGE: Final = 320
"""Longest edge of one image in a sheet, in pixels: nine are read side by side, at about 100 kB."""
QUALITY: Final = 85
TRUTH: Final = (60, 200, 60)
FOUND: Final = (40, 80, 240)
"""Blue, green, red."""
SPARE: Final = 5
"""Detections drawn beyond the number of true boxes: an untrained model finds hundreds."""
CELL: Final = 26
"""Edge of a cell of the confusion matrix, in pixels."""
MOST_CELLS: Final = 40
LABEL: Final = 12
"""Letters of a class name beside the matrix."""
THRESHOLDS: Final = 101


@dataclass(frozen=True, slots=True)
class Drawn:
    """One image with its boxes, as arrays."""

    image: Pixels
    """(height, width, 3) RGB."""
    truth: NDArray[np.float32]
    """(boxes, 4) corners in pixels."""
    truth_class: NDArray[np.int64]
    found: NDArray[np.float32]
    found_class: NDArray[np.int64]
    conf: NDArray[np.float32]


def sheet(images: Sequence[Drawn], names: Mapping[int, str], *, threshold: float) -> bytes:
    """Return a JPEG of up to nine images: ground truth green, detections of at least the threshold red."""
    tiles = [_tile(drawn, names, threshold) for drawn in images[:MOST_IMAGES]]
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    height, width = (max(tile.shape[side] for tile in tiles) for side in (0, 1))
    canvas = np.full((rows * height, columns * width, 3), 32, np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * height, place % columns * width
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return _encoded(canvas, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def confusion(matrix: NDArray[np.float64], names: Mapping[int, str]) -> bytes:
    """Return a PNG of a confusion matrix: columns are true classes, each of sum 1; the last is background.

    `matrix` is (classes + 1, classes + 1), predicted by true, in boxes. Beyond 39 classes those with the most
    ground truth are shown.
    """
    classes = len(matrix) - 1
    most = np.sort(np.argsort(-matrix[:, :classes].sum(axis=0), kind="stable")[: MOST_CELLS - 1])
    chosen = np.append(most, classes)
    part = matrix[np.ix_(chosen, chosen)]
    share = part / np.maximum(part.sum(axis=0, keepdims=True), 1)
    left, top = 9 * LABEL, 9 * LABEL
    canvas = np.full((top + CELL * len(chosen), left + CELL * len(chosen), 3), 255, np.uint8)
    for row, column in np.ndindex(share.shape):
        tone = round(255 * (1 - float(share[row, column])))
        start = (left + CELL * column, top + CELL * row)
        cv2.rectangle(canvas, start, (start[0] + CELL - 2, start[1] + CELL - 2), (255, tone, tone), -1)
        if share[row, column] >= 0.005:
            ink = (255, 255, 255) if share[row, column] > 0.5 else (0, 0, 0)
            _text(canvas, f"{100 * share[row, column]:.0f}", (start[0] + 3, start[1] + 17), ink)
    for place, number in enumerate(chosen):
        name = names.get(int(number), "background")[:LABEL]
        _text(canvas, name, (2, top + CELL * place + 17), (0, 0, 0))
        _upright(canvas, name, top=top, left=left + CELL * place)
    _text(canvas, "predicted \\ true", (2, 14), (0, 0, 0))
    return _encoded(canvas, ".png", [])


def pr_curves(box: Any, truths: Mapping[int, int], names: Mapping[int, str]) -> dict[str, PrCurve]:  # noqa: ANN401
    """Return the curve of each class with ground truth, at IoU 0.50, from Ultralytics' `Metric`."""
    picked = np.linspace(0, len(box.px) - 1, THRESHOLDS).round().astype(int)
    return {
        f"val/pr/{names[int(kind)]}": PrCurve(
            np.asarray(box.p_curve[row][picked], np.float64),
            np.asarray(box.r_curve[row][picked], np.float64),
            truths[int(kind)],
        )
        for row, kind in enumerate(box.ap_class_index)
    }


def _tile(drawn: Drawn, names: Mapping[int, str], threshold: float) -> Pixels:
    scale = EDGE / max(drawn.image.shape[:2])
    size = (max(round(drawn.image.shape[1] * scale), 1), max(round(drawn.image.shape[0] * scale), 1))
    resized = cv2.resize(drawn.image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile: Pixels = np.ascontiguousarray(resized[:, :, ::-1], dtype=np.uint8)
    for box, kind in zip(drawn.truth * scale, drawn.truth_class, strict=True):
        _box(tile, box, TRUTH, names.get(int(kind), str(kind)) if not len(drawn.found) else "")
    shown = np.argsort(-drawn.conf, kind="stable")[: len(drawn.truth) + SPARE]
    shown = shown[drawn.conf[shown] >= threshold]
    for box, kind, conf in zip(drawn.found[shown] * scale, drawn.found_class[shown], drawn.conf[shown], strict=True):
        _box(tile, box, FOUND, f"{names.get(int(kind), kind)} {conf:.2f}")
    return tile


def _box(tile: Pixels, box: NDArray[np.float32], colour: tuple[int, int, int], words: str) -> None:
    left, top, right, bottom = (round(float(value)) for value in box)
    cv2.rectangle(tile, (left, top), (right, bottom), colour, 1)
    if words:
        _text(tile, words, (max(left, 0), max(top - 2, 9)), colour)


def _text(canvas: Pixels, words: str, place: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(canvas, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, colour, 1, cv2.LINE_AA)


def _upright(canvas: Pixels, words: str, *, top: int, left: int) -> None:
    """Write a word from below to above, over a column of the matrix."""
    strip = np.full((CELL, top, 3), 255, np.uint8)
    _text(strip, words, (4, 17), (0, 0, 0))
    canvas[:top, left : left + CELL] = np.minimum(canvas[:top, left : left + CELL], np.rot90(strip))


def _encoded(canvas: Pixels, kind: str, options: list[int]) -> bytes:
    _done, content = cv2.imencode(kind, canvas, options)
    return content.tobytes()
