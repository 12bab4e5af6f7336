"""Ultralytics' detection validator that keeps features of labelled objects in place of metrics.

Imported where Ultralytics is.
"""

from typing import Any

from ultralytics.models.yolo.detect import DetectionValidator

from automl.storage.object_features import chosen
from automl.trainers.yolo.object_features import Pooled


class PoolingValidator(DetectionValidator):  # type: ignore[misc]
    """The loader and the forward pass of a validation."""

    def __init__(self, *given: Any, pooled: Pooled, **named: Any) -> None:  # noqa: ANN401
        """Collect in `pooled`."""
        super().__init__(*given, **named)
        self.pooled = pooled

    def init_metrics(self, model: Any) -> None:  # noqa: ANN401
        """Keep the feature maps that the head gets."""
        super().init_metrics(model)
        self.total = sum(len(label["cls"]) for label in self.dataloader.dataset.labels)
        model.model.model[-1].register_forward_pre_hook(self.keep_maps)

    def keep_maps(self, _head: Any, inputs: Any) -> None:  # noqa: ANN401
        """Keep the maps of a batch, finest first."""
        self.maps = inputs[0]

    def update_metrics(self, preds: Any, batch: Any) -> None:  # noqa: ANN401
        """Pool the features of the boxes of a batch."""
        for place in range(len(preds)):
            truth, seen = self._prepare_batch(place, batch), self.pooled.seen
            numbers = range(seen, seen + len(truth["cls"]))
            picked = [number - seen for number in numbers if chosen(number, total=self.total, most=self.pooled.most)]
            self.pooled.seen += len(numbers)
            if picked:
                maps = [level[place] for level in self.maps]
                self.pooled.add(truth, picked, maps=maps, image=batch["img"][place], names=self.names)

    def get_stats(self) -> dict[str, float]:
        """Return nothing."""
        return {}

    def finalize_metrics(self) -> None:
        """Compute nothing."""

    def print_results(self) -> None:
        """Print nothing."""
