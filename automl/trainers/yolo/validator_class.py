"""Ultralytics' detection validator that keeps what the details of an epoch are made from.

Imported where Ultralytics is. Nothing that it does changes a metric.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import distributed
from ultralytics.models.yolo.detect import DetectionValidator
from ultralytics.utils import RANK
from ultralytics.utils.metrics import ConfusionMatrix, box_iou

from automl.storage.detection_rate import metrics, of_images
from automl.study.objective import RateGoal
from automl.trainers.yolo.pictures import MOST_IMAGES, TINY, Drawn

IOU: Final = 0.5
FAR: Final = 0.1
"""Below this IoU with every true box of any class, a detection is one of background (as in TIDE, ECCV 2020)."""
SMALL: Final = 32
MEDIUM: Final = 96
"""COCO's limits of object size, here in pixels of the model's input: edges of a square of the same area."""
CONFIDENT: Final = 0.25
"""Ultralytics' default threshold of prediction, for the confusion matrix."""


@dataclass(slots=True)
class Seen:
    """What one validation leaves beside its metrics."""

    size: list[NDArray[np.float32]] = field(default_factory=list)
    """Per image: square root of the area of each true box, in pixels of the model's input."""
    found: list[NDArray[np.float32]] = field(default_factory=list)
    """Per image: highest confidence of a detection of the same class at IoU 0.50, for each true box; 0 if none."""
    conf: list[NDArray[np.float32]] = field(default_factory=list)
    """Per image: confidence of each detection."""
    hits: list[NDArray[np.bool_]] = field(default_factory=list)
    """Per image: True for detections that match a true box of their class at IoU 0.50; empty without a goal."""
    background: list[NDArray[np.bool_]] = field(default_factory=list)
    """Per image: True for detections that overlap no true box."""
    batches: int = 0
    drawn: dict[str, Drawn] = field(default_factory=dict)
    """Images to show, by file name."""
    confusion: Any = None

    def add(self, other: "Seen") -> None:
        """Add what another process has seen of the same validation."""
        for name in ("size", "found", "conf", "hits", "background"):
            getattr(self, name).extend(getattr(other, name))
        self.drawn |= other.drawn
        self.batches += other.batches
        if self.confusion is not None:
            self.confusion.matrix = self.confusion.matrix + other.confusion.matrix

    def scalars(self, threshold: float) -> dict[str, float]:
        """Return recall by size, the share of tiny true boxes, and that of background among the detections.

        Args:
            threshold: least confidence of a detection that counts.
        """
        sizes, conf, background = (
            np.concatenate([*parts, np.zeros(0)]) for parts in (self.size, self.conf, self.background)
        )
        found = {"val/tiny_share": float(np.mean(sizes < TINY))} if len(sizes) else {}
        counted = background[conf >= threshold]
        return {
            **found,
            **({"val/background_share": float(np.mean(counted))} if len(counted) else {}),
            **self.recall(threshold),
        }

    def recall(self, threshold: float) -> dict[str, float]:
        """Return the share of true boxes found with at least this confidence, for each size that occurs."""
        sizes, found = (np.concatenate([*parts, np.zeros(0)]) for parts in (self.size, self.found))
        limits = {"small": (0, SMALL), "medium": (SMALL, MEDIUM), "large": (MEDIUM, np.inf)}
        groups = {name: found[(sizes >= low) & (sizes < high)] for name, (low, high) in limits.items()}
        return {
            f"val/recall_{name}": float(np.mean((group > 0) & (group >= threshold)))
            for name, group in groups.items()
            if len(group)
        }


class StudyValidator(DetectionValidator):  # type: ignore[misc]
    """A detection validator that also fills a `Seen`; `pictured` adds images and the confusion matrix."""

    pictured: bool = False
    goal: RateGoal | None = None
    """The detection rate that is measured in addition."""
    seen_here: Seen

    def __call__(self, trainer: Any = None, model: Any = None, **more: Any) -> Any:  # noqa: ANN401
        """Validate; losses are means over the batches of all processes, as in a training of one.

        Ultralytics 8.4.190 divides the mean of the processes' sums by the batches of the first, which may have more
        than others.
        """
        found = super().__call__(trainer, model, **more)
        if trainer is None or trainer.world_size <= 1 or not found:
            return found
        factor = trainer.world_size * len(self.dataloader) / self.seen_here.batches
        return {tag: round(value * factor, 5) if tag.startswith("val/") else value for tag, value in found.items()}

    def init_metrics(self, model: Any) -> None:  # noqa: ANN401
        """Start a new record with the metrics."""
        super().init_metrics(model)
        self.seen_here = Seen()
        if self.pictured:
            self.seen_here.confusion = ConfusionMatrix(names=model.names)
            self.shown = {Path(path).name for path in sorted(self.dataloader.dataset.im_files)[:MOST_IMAGES]}

    def update_metrics(self, preds: Any, batch: Any) -> None:  # noqa: ANN401
        """Record sizes and matches of a batch; pictures where wanted."""
        super().update_metrics(preds, batch)
        self.seen_here.batches += 1
        if self.goal:
            every = self.metrics.stats["tp"]
            self.seen_here.hits += [np.asarray(part)[:, 0].astype(bool) for part in every[len(every) - len(preds) :]]
        for place, pred in enumerate(preds):
            truth = self._prepare_batch(place, batch)
            self._match(pred, truth)
            if self.pictured:
                self.seen_here.confusion.process_batch(pred, truth, conf=CONFIDENT)
                if Path(truth["im_file"]).name in self.shown:
                    self.seen_here.drawn[Path(truth["im_file"]).name] = _drawn(batch["img"][place], pred, truth)

    def get_stats(self) -> Any:  # noqa: ANN401
        """Return the metrics, and the detection rate if it is the objective."""
        found, seen = super().get_stats(), self.seen_here
        if self.goal is None:
            return found
        curve = of_images(seen.conf, seen.hits, [len(part) for part in seen.size], self.goal)
        return {**found, **metrics(curve, split="val")}

    def gather_stats(self) -> None:
        """Gather what each process has seen of its share of the images at rank 0, after Ultralytics' statistics."""
        super().gather_stats()
        if RANK == -1:
            return
        parts: list[Any] = [None] * distributed.get_world_size()
        distributed.gather_object(self.seen_here, parts if RANK == 0 else None, dst=0)
        for other in parts[1:] if RANK == 0 else ():
            self.seen_here.add(other)

    def _match(self, pred: Any, truth: Any) -> None:  # noqa: ANN401
        boxes, conf = truth["bboxes"], np.zeros(len(truth["cls"]), np.float32)
        sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1).sqrt() if len(boxes) else boxes.new_zeros(0)
        background = np.ones(len(pred["cls"]), np.bool_)
        if len(boxes) and len(pred["cls"]):
            overlap = box_iou(boxes, pred["bboxes"])
            hit = (overlap >= IOU) & (truth["cls"].view(-1, 1) == pred["cls"].view(1, -1))
            conf = (hit * pred["conf"].view(1, -1)).amax(1).float().cpu().numpy()
            background = (overlap.amax(0) < FAR).cpu().numpy()
        self.seen_here.size.append(sides.float().cpu().numpy())
        self.seen_here.found.append(conf)
        self.seen_here.conf.append(pred["conf"].float().cpu().numpy())
        self.seen_here.background.append(background)


def _drawn(image: Any, pred: Any, truth: Any) -> Drawn:  # noqa: ANN401
    pixels = (image.float().clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()
    return Drawn(
        image=np.ascontiguousarray(pixels),
        truth=truth["bboxes"].float().cpu().numpy().reshape(-1, 4),
        truth_class=truth["cls"].long().cpu().numpy(),
        found=pred["bboxes"].float().cpu().numpy().reshape(-1, 4),
        found_class=pred["cls"].long().cpu().numpy(),
        conf=pred["conf"].float().cpu().numpy(),
    )
