"""Features of labelled objects from the neck of a detector, at the places of their boxes.

RoIAlign (He et al. 2017, "Mask R-CNN", arXiv:1703.06870) reads each box from every feature map that the head gets, in
3 x 3 bins that are averaged; the vectors of the levels, each of length 1, are joined. So an object is described by what
the head decides on, with the surroundings that the network has seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from automl.storage.object_features import ObjectFeatures
from automl.study import Job
from automl.trainers.yolo import out_of_memory
from automl.trainers.yolo.arguments import overrides
from automl.trainers.yolo.evaluation import evaluation, validation_arguments
from automl.trainers.yolo.pickle_scan import refuse_strange
from automl.trainers.yolo.vendor import ultralytics

BINS: Final = 3
SAMPLES: Final = 2
"""Points along each side of a bin."""
EDGE: Final = 48
"""Pixels of a thumbnail."""
MARGIN: Final = 1.3
"""Edge of the square around a box, of its longer side."""
RGB: Final = 3


def object_features(weights: Path, job: Job, *, split: str, most: int) -> ObjectFeatures:
    """Return the features of up to `most` boxes of a split, evenly spaced over all of them.

    Raises:
        TrialError: memory ran out, or the file is not to be trusted.
    """
    vendor = ultralytics()
    refuse_strange(weights)
    from automl.trainers.yolo.pooling_class import PoolingValidator

    wanted, pooled = overrides(job, weights.parent), Pooled(most)
    with TemporaryDirectory(prefix="automl-features-") as place, out_of_memory.named(lambda: wanted["batch"]):
        vendor.YOLO(weights, task="detect").val(
            validator=partial(PoolingValidator, pooled=pooled),
            data=job.data, split=split, batch=wanted["batch"], rect=False, plots=False, device=wanted["device"],
            workers=wanted["workers"], verbose=False, save_dir=place, **validation_arguments(evaluation(job)),
        )  # fmt: skip
    return pooled.found()


@dataclass(slots=True)
class Pooled:
    """Features and thumbnails of the boxes so far."""

    most: int
    vectors: list[Any] = field(default_factory=list)
    thumbnails: list[Any] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    seen: int = 0
    """Boxes so far, chosen or not."""

    def add(self, truth: Any, picked: Sequence[int], *, maps: Any, image: Any, names: Mapping[int, str]) -> None:  # noqa: ANN401
        """Add the picked boxes of an image, whose feature maps the head got."""
        boxes = truth["bboxes"][picked].float()
        self.vectors.append(_vectors(maps, boxes, height=image.shape[-2]))
        self.thumbnails.append(_thumbnails(image, boxes))
        self.classes += [names[int(kind)] for kind in truth["cls"][picked]]
        self.images += [Path(truth["im_file"]).name] * len(picked)

    def found(self) -> ObjectFeatures:
        """Return all in one record."""
        return ObjectFeatures(
            vectors=np.concatenate(self.vectors or [np.zeros((0, 0), np.float32)]),
            classes=tuple(self.classes),
            images=tuple(self.images),
            thumbnails=np.concatenate([np.zeros((0, EDGE, EDGE, RGB), np.uint8), *self.thumbnails]),
            total=self.seen,
        )


def _vectors(maps: Any, boxes: Any, *, height: int) -> Any:  # noqa: ANN401
    """Return (boxes, features): the levels of one image, read at its boxes in pixels of the input."""
    import torch
    from torch.nn.functional import normalize
    from torchvision.ops import roi_align

    levels = [
        roi_align(
            level[None].float(), [boxes], BINS, spatial_scale=level.shape[-2] / height,
            sampling_ratio=SAMPLES, aligned=True,
        ).mean(dim=(2, 3))
        for level in maps
    ]  # fmt: skip
    return torch.cat([normalize(level, dim=1) for level in levels], dim=1).cpu().numpy().astype(np.float32)


def _thumbnails(image: Any, boxes: Any) -> Any:  # noqa: ANN401
    """Return (boxes, EDGE, EDGE, 3): the square around each box; black beyond the image."""
    import torch
    from torchvision.ops import roi_align

    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1, keepdim=True).clamp(min=1) * MARGIN / 2
    colour = image[:RGB] if len(image) >= RGB else image[:1].expand(RGB, -1, -1)
    squares = torch.cat([centre - half, centre + half], dim=1)
    found = roi_align(colour[None].float(), [squares], EDGE, aligned=True)
    return (found.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).cpu().numpy()
