"""Detections of a model on images for the tests: a healthy one, and the same with planted errors."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from automl.storage.boxes import Boxes, overlaps
from automl.storage.detections import THRESHOLDS, ImageStats
from automl.study.verdict import Verdict
from automl.tracking.diagnosis.shipped_model import ShippedModel
from tests.tracking.report.test_page import FACTS

Corners = tuple[float, float, float, float]
NAMES = {"0": "hole", "1": "spot"}
SIDE = 0.1


@dataclass(slots=True)
class Scene:
    """Boxes that are added one by one."""

    images: int = 40
    found: list[tuple[int, int, float, Corners]] = field(default_factory=list)
    """Image, class, confidence, corners."""
    truth: list[tuple[int, int, Corners]] = field(default_factory=list)

    def stats(self, *, boxed: bool = True) -> ImageStats:
        """Return the record, with the matches as a validator finds them."""
        image, kind = (np.array([one[place] for one in self.found], np.int64) for place in (0, 1))
        truth_image, truth_kind = (np.array([one[place] for one in self.truth], np.int64) for place in (0, 1))
        conf = np.array([one[2] for one in self.found], np.float64)
        corners = np.array([one[3] for one in self.found], np.float64).reshape(-1, 4)
        theirs = np.array([one[2] for one in self.truth], np.float64).reshape(-1, 4)
        tp = np.zeros((len(image), THRESHOLDS), np.bool_)
        shares = overlaps(corners, theirs) * (image[:, None] == truth_image) * (kind[:, None] == truth_kind)
        for place in range(THRESHOLDS):
            taken: set[int] = set()
            for row in np.argsort(-conf, kind="stable").tolist():
                free = [column for column in np.argsort(-shares[row]).tolist() if column not in taken]
                if free and shares[row, free[0]] >= 0.5 + 0.05 * place:
                    tp[row, place] = True
                    taken.add(free[0])
        sizes = np.full((self.images, 2), 100, np.int64)
        names = tuple(f"{number:03d}.png" for number in range(self.images))
        boxes = Boxes(corners, theirs, sizes) if boxed else None
        return ImageStats(image, tp, conf, kind, truth_image, truth_kind, self.images, names, boxes)

    def model(self, *, threshold: float = 0.25, boxed: bool = True) -> ShippedModel:
        verdict = Verdict.from_dict(FACTS | {"names": NAMES})
        return ShippedModel.of(self.stats(boxed=boxed), verdict, {"threshold": threshold})


def square(x: float, y: float, side: float = SIDE) -> Corners:
    """Return a square by its left upper corner."""
    return x, y, x + side, y + side


def scene(
    *, seed: int = 0, conf: Sequence[tuple[float, float]] = ((0.5, 0.95), (0.5, 0.95)), false: float = 0.2
) -> Scene:
    """Return 40 images with two holes and two spots each, found with confidences of these ranges by class.

    So many false detections of low confidence are added for each object.
    """
    draw, made = np.random.default_rng(seed), Scene()
    for image in range(made.images):
        places = draw.permutation(16)[:6]
        for number, place in enumerate(places):
            kind, corners = number % 2, square(0.02 + 0.24 * (place % 4), 0.02 + 0.24 * (place // 4))
            if number < 4:
                made.truth.append((image, kind, corners))
                shifted = square(corners[0] + draw.uniform(-0.01, 0.01), corners[1] + draw.uniform(-0.01, 0.01))
                made.found.append((image, kind, float(draw.uniform(*conf[kind])), shifted))
            elif draw.random() < 2 * false:
                made.found.append((image, kind, float(draw.uniform(0.001, 0.2)), corners))
    return made
