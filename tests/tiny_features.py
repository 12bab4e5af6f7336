"""Features of objects by the tiny trainer: class and box, scaled by the quality of the weights."""

from pathlib import Path

import numpy as np

from automl.storage.object_features import ObjectFeatures, chosen
from automl.study import Job
from automl.study.yaml_io import read_yaml
from tests.tiny_files import WEIGHTS, read


def object_features(weights: Path, job: Job, *, split: str, most: int) -> ObjectFeatures:
    raw, quality = read_yaml(Path(job.data)), float(read(weights, WEIGHTS)["quality"])
    root = Path(raw["path"], "labels", split)
    lines = [(path.stem, line) for path in sorted(root.iterdir()) for line in path.read_text().splitlines()]
    picked = [one for number, one in enumerate(lines) if chosen(number, total=len(lines), most=most)]
    boxes = np.array([line.split() for _, line in picked], dtype=np.float32).reshape(-1, 5)
    thumbnails = np.full((len(picked), 8, 8, 3), 128, np.uint8)
    names = tuple(raw["names"][int(kind)] for kind in boxes[:, 0])
    return ObjectFeatures(boxes * np.float32(quality), names, tuple(stem for stem, _ in picked), thumbnails, len(lines))
