"""Images with labels and detections of pretended models, for the tests of the label audit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from automl.data.audit.records import AuditImage, Box, Detections, Label, corners

NAMES = ("bolt", "washer")
MODELS = ("trial 1", "trial 2", "trial 3")
HOME: Box = (0.3, 0.3, 0.2, 0.2)
ELSEWHERE: Box = (0.8, 0.8, 0.2, 0.2)
Seen = tuple[int, Box, float]
"""Class, box and confidence."""


def detections(*seen: Seen) -> Detections:
    boxes = np.array([corners(box) for _, box, _ in seen], np.float64).reshape(-1, 4)
    conf = np.array([conf for _, _, conf in seen], np.float64)
    return Detections(boxes, conf, np.array([cls for cls, _, _ in seen], np.int64))


def image(name: str, labels: Sequence[tuple[int, Box]], *models: Sequence[Seen], split: str = "val") -> AuditImage:
    lines = [Label(line, cls, box) for line, (cls, box) in enumerate(labels, start=1)]
    return AuditImage(split, Path(f"/d/images/{split}/{name}.jpg"), lines, [detections(*seen) for seen in models])


def healthy(count: int = 10) -> list[AuditImage]:
    """Return images whose labels three models confirm, so that each class has enough for its statistics."""
    boxes = [(0, HOME), (1, ELSEWHERE)]
    seen = [(cls, box, 0.8) for cls, box in boxes]
    return [image(f"ok{number}", boxes, seen, seen, seen) for number in range(count)]
