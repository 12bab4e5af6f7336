"""Small ONNX detectors for tests: 64 x 64 pixels, 64 anchors of 8 x 8 pixels, each a box around itself.

A bright anchor is an object of class `a`; the box is the anchor's own square, so that its place can be told.
"""

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

from automl.storage.registry import Registry

SIZE, CELL = 64, 8
NAMES = "{0: 'a', 1: 'b', 2: 'c'}"


def saved(path: Path, *, scale: float = 1.0, rows: int = 7, batch: int = 1, end2end: bool = False) -> Path:
    """Write the ONNX file of a detector.

    Args:
        path: The file.
        scale: Factor of all outputs; not a number for a model that is broken. A confidence of 1.0 becomes `scale`.
        rows: Rows of the output: 4 and the classes.
        batch: Images of a batch.
        end2end: What the metadata says about the head.
    """
    side = SIZE // CELL
    weights = np.zeros((rows, 3, 1, 1), np.float32)
    weights[4] = scale / 3
    centres = (np.arange(side) + 0.5) * CELL
    places = np.zeros((1, rows, side, side), np.float32)
    places[0, 0], places[0, 1], places[0, 2:4] = centres[None], centres[:, None], CELL
    if not np.isfinite(scale):
        places[0, 5] = scale
    constants: dict[str, Any] = {
        "weights": weights, "places": places, "shape": np.array([batch, rows, side * side], np.int64)
    }  # fmt: skip
    nodes = [
        helper.make_node("AveragePool", ["images"], ["pooled"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
        helper.make_node("Conv", ["pooled", "weights"], ["mixed"], kernel_shape=[1, 1]),
        helper.make_node("Add", ["mixed", "places"], ["placed"]),
        helper.make_node("Reshape", ["placed", "shape"], ["output0"]),
    ]
    entry, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("images", [batch, 3, SIZE, SIZE]), ("output0", [batch, rows, side * side]))
    )
    held = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "detector", [entry], [output], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, {"task": "detect", "names": NAMES, "end2end": str(end2end)})
    save(made, str(path))
    return path


def registered(folder: Path, *scales: float, name: str = "boards") -> Registry:
    """Return a registry with a version for each scale; the first one is the champion."""
    held = Registry(folder / "models", name)
    for number, scale in enumerate(scales, start=1):
        held.publish({"model.onnx": saved(folder / f"{number}.onnx", scale=scale)}, {})
    held.promote(1, why="first")
    return held
