"""Recording validator: keep the inputs of its metrics, image by image."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.storage.boxes import Boxes
from automl.storage.detections import ImageStats
from automl.trainers.yolo.vendor import ultralytics


@dataclass(slots=True)
class Recorded:
    """The detections and true boxes of one validation."""

    names: list[str] = field(default_factory=list)
    lists: dict[str, list[Any]] = field(default_factory=dict)
    found: list[NDArray[np.float64]] = field(default_factory=list)
    """Per image: corners of the detections as shares of the image."""
    truth: list[NDArray[np.float64]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """Per image: width and height."""

    def stats(self) -> ImageStats:
        """Return them in one record; images in the order of their names, whatever the order of the batches."""
        order = sorted(range(len(self.names)), key=self.names.__getitem__)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        columns = {name: [np.asarray(part) for part in parts] for name, parts in self.lists.items()}
        return ImageStats(
            image=np.repeat(place, [len(part) for part in columns["conf"]]),
            tp=np.concatenate([part.reshape(-1, part.shape[-1]).astype(bool) for part in columns["tp"]]),
            conf=np.concatenate(columns["conf"]).astype(np.float64),
            kind=np.concatenate(columns["pred_cls"]).astype(np.int64),
            truth_image=np.repeat(place, [len(part) for part in columns["target_cls"]]),
            truth_kind=np.concatenate(columns["target_cls"]).astype(np.int64),
            images=len(order),
            names=tuple(self.names[index] for index in order),
            boxes=Boxes(
                np.concatenate([*self.found, np.zeros((0, 4))]),
                np.concatenate([*self.truth, np.zeros((0, 4))]),
                np.array([self.sizes[index] for index in order], np.int64).reshape(-1, 2),
            ),
        )


def _shares(boxes: Any, truth: dict[str, Any]) -> NDArray[np.float64]:  # noqa: ANN401
    """Return boxes in pixels of the model's input as shares of the original image."""
    from ultralytics.utils.ops import scale_boxes

    height, width = truth["ori_shape"]
    scaled = scale_boxes(truth["imgsz"], boxes.clone().reshape(-1, 4), (height, width), truth["ratio_pad"])
    return np.asarray(scaled.double().cpu().numpy() / [width, height, width, height], np.float64)


def recording_validator() -> tuple[Any, Recorded]:
    """Return a validator class for Ultralytics' `val`, and the record that its one run will fill."""
    ultralytics()
    from ultralytics.models.yolo.detect import DetectionValidator

    recorded = Recorded()

    class Recorder(DetectionValidator):  # type: ignore[misc]
        """Ultralytics' own validator; its statistics are copied before they are cleared."""

        def update_metrics(self, preds: Any, batch: Any) -> None:  # noqa: ANN401
            """Record the names, sizes and boxes of the images of a batch."""
            super().update_metrics(preds, batch)
            recorded.names += [Path(path).name for path in batch["im_file"]]
            for place, pred in enumerate(preds):
                truth = self._prepare_batch(place, batch)
                height, width = truth["ori_shape"]
                recorded.found.append(_shares(pred["bboxes"], truth))
                recorded.truth.append(_shares(truth["bboxes"], truth))
                recorded.sizes.append((int(width), int(height)))

        def get_stats(self) -> Any:  # noqa: ANN401
            """Copy the statistics of all images."""
            recorded.lists = {name: list(parts) for name, parts in self.metrics.stats.items()}
            return super().get_stats()

    return Recorder, recorded
