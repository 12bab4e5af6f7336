"""Contract of a version's ONNX file: all that another runtime needs to return the boxes that the server returns.

Derived from the graph (names, shapes, types, whether a sigmoid is applied, kind of head) and from the record of the
evaluation (`EvalSettings`: thresholds, classes). `docs/registry.md` explains the keys.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import onnx

FORMAT: Final = 1
PADDING: Final = 114
"""Grey value around the image in its letterbox."""
DIVISOR: Final = 255
CONFIDENCE: Final = 0.25
"""Threshold of the server where the record has none."""
MOST_CANDIDATES: Final = 30_000
"""The most boxes that enter non-maximum suppression, those with the highest confidence."""
BOXES: Final = 4
END_TO_END: Final = 6
"""Columns of a head without suppression: a box, its confidence, its class."""
TYPES: Final = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.FLOAT16: "float16"}


def contract(model: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contract of an ONNX file; `record` is the content of the version's `evaluation.json`.

    An output that is not one of a detector has the layout `other`.
    """
    graph = onnx.load(str(model), load_external_data=False).graph
    entry, output = graph.input[0], graph.output[0]
    return {
        "format": FORMAT,
        "file": model.name,
        "task": "detect",
        "input": _input(entry),
        "output": _output(graph, output, classes=len(record["names"])),
        "suppression": _suppression(record, needed=not _is_end_to_end(output)),
        "confidence": {"threshold": _confidence(record), "rule": "keep where confidence > threshold"},
        "max_det": record["max_det"],
        "classes": dict(record["names"]),
        "served_classes": record["classes"],
        "boxes_in_picture": "x = (x_letterbox - left) / (inner_width / width), y alike; clipped to the picture",
    }


def _confidence(record: Mapping[str, Any]) -> float:
    """Return the threshold of the server: that of the record, else its default."""
    given = next((record[name] for name in ("threshold", "conf") if record.get(name) is not None), CONFIDENCE)
    return float(given)


def _input(entry: Any) -> dict[str, Any]:  # noqa: ANN401
    shape = _shape(entry)
    _, channels, height, width = shape
    return {
        "name": entry.name,
        "shape": shape,
        "layout": "NCHW",
        "dtype": _type(entry),
        "colour_order": {1: "grey", 3: "RGB"}.get(channels, "as stored"),
        "normalisation": {
            "formula": "(pixel - mean) / divisor", "mean": [0] * channels, "divisor": [DIVISOR] * channels,
            "scale": 1 / DIVISOR,
        },
        "letterbox": {
            "input_width": width, "input_height": height, "pad_value": PADDING,
            "interpolation": "bilinear, half-pixel centres, no antialias", "scale_up": True,
            "gain": "min(input_height / height, input_width / width)",
            "inner_width": "max(round(width * gain), 1)", "inner_height": "max(round(height * gain), 1)",
            "left": "round((input_width - inner_width) / 2 - 0.1)",
            "top": "round((input_height - inner_height) / 2 - 0.1)",
            "rounding": "half to even", "orientation": "EXIF orientation applied before",
        },
    }  # fmt: skip


def _output(graph: Any, output: Any, *, classes: int) -> dict[str, Any]:  # noqa: ANN401
    shape = _shape(output)
    plain = {"name": output.name, "shape": shape, "dtype": _type(output), "unit": "pixels of the letterbox"}
    if _is_end_to_end(output):
        return plain | {
            "layout": "1 x boxes x 6", "boxes": "x0, y0, x1, y1",
            "columns": ["x0", "y0", "x1", "y1", "confidence", "class"], "sigmoid_applied": True,
        }  # fmt: skip
    if len(shape) == 3 and shape[1] == BOXES + classes:
        return plain | {
            "layout": f"1 x ({BOXES} + classes) x anchors", "boxes": "centre x, centre y, width, height",
            "scores": "one row a class; confidence is the highest, its row the class (the first of equal ones)",
            "sigmoid_applied": _sigmoid_applied(graph, output.name),
        }  # fmt: skip
    return plain | {"layout": "other", "sigmoid_applied": _sigmoid_applied(graph, output.name)}


def _suppression(record: Mapping[str, Any], *, needed: bool) -> dict[str, Any]:
    if not needed:
        return {"needed": False}
    return {
        "needed": True,
        "iou": record["iou"],
        "rule": "greedy by falling confidence; a box goes where its IoU with a kept one > iou",
        "class_agnostic": record["agnostic_nms"],
        "max_candidates": MOST_CANDIDATES,
    }


def _is_end_to_end(output: Any) -> bool:  # noqa: ANN401
    shape = _shape(output)
    return len(shape) == 3 and shape[2] == END_TO_END


def _sigmoid_applied(graph: Any, name: str) -> bool:  # noqa: ANN401
    """Return True if a sigmoid lies between the last convolutions and an output."""
    makers = {made: node for node in graph.node for made in node.output}
    left, seen = [name], set[str]()
    while left:
        tensor = left.pop()
        node = makers.get(tensor)
        if node is None or node.op_type == "Conv" or tensor in seen:
            continue
        if node.op_type == "Sigmoid":
            return True
        seen.add(tensor)
        left += node.input
    return False


def _shape(value: Any) -> list[int]:  # noqa: ANN401
    """Return the shape of a tensor; -1 for an edge that is not fixed."""
    return [edge.dim_value or -1 for edge in value.type.tensor_type.shape.dim]


def _type(value: Any) -> str:  # noqa: ANN401
    return TYPES.get(value.type.tensor_type.elem_type, "other")
