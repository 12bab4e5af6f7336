"""Causes of a wrong export: each planted mistake is named, on a made-up detector."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from automl.release.causes import Array, Run, cause

SIZE, CLASSES, ANCHORS = 16, 3, 20
MIXER: Array = np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, (4 + CLASSES) * ANCHORS)).astype(np.float32)


def model(pictures: Array, *, mixer: NDArray[np.float32] = MIXER) -> Array:
    """Return boxes and scores that depend on every pixel and channel."""
    raw = (pictures.reshape(len(pictures), -1) @ mixer / 12).reshape(-1, 4 + CLASSES, ANCHORS)
    boxes, scores = 10 * np.abs(raw[:, :4]), 1 / (1 + np.exp(-np.clip(raw[:, 4:], -30, 30)))
    return np.concatenate([boxes, scores], axis=1).astype(np.float32)


def pictures() -> Array:
    """Return letterboxes: landscape pictures centred between grey rows."""
    found = np.full((4, 3, SIZE, SIZE), 114 / 255, np.float32)
    found[:, :, 4:12] = np.random.default_rng(1).random((4, 3, 8, SIZE), np.float32)
    return found


def scaled(inputs: Array) -> Array:
    found = model(inputs)
    found[:, 4:] *= 0.5
    return found


def at_top_left(inputs: Array) -> Array:
    return model(np.roll(inputs, -4, axis=2))


@pytest.mark.parametrize(
    ("exported", "named"),
    [
        (lambda inputs: model(inputs[:, ::-1]), "channels are swapped"),
        (lambda inputs: model(inputs / 255), "divides its input by 255 once more"),
        (lambda inputs: model(inputs * 255), "not divided by 255"),
        (at_top_left, "letterbox is not centred"),
        (lambda inputs: model(inputs)[:, [0, 1, 2, 3, 5, 6, 4]], r"classes are in another order: \[1, 2, 0\]"),
        (scaled, r"confidences are 0\.50 times those of the weights"),
        (lambda inputs: model(inputs)[:, :, :-1], "of another model or size"),
        (lambda inputs: model(inputs) * np.float32(np.nan), "not finite"),
        (lambda inputs: model(inputs, mixer=MIXER[::-1]), "exported from other weights"),
    ],
)
def test_each_mistake_is_named(exported: Run, named: str) -> None:
    assert re.search(named, cause(exported, model, pictures()))
