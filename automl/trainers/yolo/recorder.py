"""Recording validator: keep the inputs of its metrics, image by image."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from automl.storage.detections import ImageStats
from automl.trainers.yolo.vendor import ultralytics


@dataclass(slots=True)
class Recorded:
    """The detections and true boxes of one validation."""

    names: list[str] = field(default_factory=list)
    lists: dict[str, list[Any]] = field(default_factory=dict)

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
        )


def recording_validator() -> tuple[Any, Recorded]:
    """Return a validator class for Ultralytics' `val`, and the record that its one run will fill."""
    ultralytics()
    from ultralytics.models.yolo.detect import DetectionValidator

    recorded = Recorded()

    class Recorder(DetectionValidator):  # type: ignore[misc]
        """Ultralytics' own validator; its statistics are copied before they are cleared."""

        def update_metrics(self, preds: Any, batch: Any) -> None:  # noqa: ANN401
            """Record the names of the images of a batch."""
            super().update_metrics(preds, batch)
            recorded.names += [Path(path).name for path in batch["im_file"]]

        def get_stats(self) -> Any:  # noqa: ANN401
            """Copy the statistics of all images."""
            recorded.lists = {name: list(parts) for name, parts in self.metrics.stats.items()}
            return super().get_stats()

    return Recorder, recorded
