"""Observer of a training: collects what the details of an epoch show, without influence on the training.

No random number is drawn and no gradient changed, so a training with pictures equals one without.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import numpy as np

from automl.storage.epoch_details import EpochDetails, Histogram
from automl.study import Job
from automl.study.curve_shape import oscillates
from automl.trainers.yolo import pictures
from automl.trainers.yolo.pictures import Drawn
from automl.trainers.yolo.vendor import unwrapped

BINS: Final = 30
GROUPS: Final = ("backbone", "neck", "head")
USUAL: Final = 0.25
"""Ultralytics' default threshold of prediction, at which recall by class is told."""
COMPARED: Final = 16
"""Images of the first batch whose input is compared with that of the next epoch."""
POOLED: Final = 8
"""Edge to which an input image is averaged for that comparison."""
SAME: Final = 1e-4
"""Largest difference of two averaged inputs that count as unchanged, of 1."""


@dataclass(slots=True)
class Observer:
    """What was seen in the epoch under way, and over the epochs where noted."""

    job: Job
    _images: int = 0
    _waited: float = 0.0
    _batches: float = 0.0
    _mark: float = 0.0
    _norm: Any = 0.0
    _steps: int = 0
    _inputs: bytes = b""
    _boxes: int = 0
    _tiny: int = 0
    """Input boxes, and those below `pictures.TINY` pixels."""
    _histograms: dict[str, Histogram] = field(default_factory=dict)
    _losses: dict[str, list[float]] = field(default_factory=dict)
    _first: dict[str, Any] = field(default_factory=dict)
    """Averaged inputs of the first epoch's first images, by file."""
    _unchanged: list[bool] = field(default_factory=list)

    def epoch_started(self, trainer: Any) -> None:  # noqa: ANN401
        """Clear what belongs to one epoch, and prepare the validation of this one."""
        self._images, self._waited, self._batches, self._steps, self._boxes, self._tiny = 0, 0.0, 0.0, 0, 0, 0
        self._norm, self._inputs, self._histograms, self._unchanged = 0.0, b"", {}, []
        self._mark = time.monotonic()
        trainer.validator.pictured = self.job.pictures(trainer.epoch + 1)

    def batch_started(self, trainer: Any) -> None:  # noqa: ANN401, ARG002
        """Count the time since the last batch as waiting for data."""
        now = time.monotonic()
        self._waited += now - self._mark
        self._mark = now

    def batch_ended(self, trainer: Any) -> None:  # noqa: ANN401, ARG002
        """Count the time since the batch was there as training."""
        now = time.monotonic()
        self._batches += now - self._mark
        self._mark = now

    def input_ready(self, trainer: Any, batch: Any) -> None:  # noqa: ANN401
        """Record the input of a batch as the network gets it."""
        self._images += len(batch["img"])
        self._boxes += len(batch["cls"])
        height, width = batch["img"].shape[2:]
        area = batch["bboxes"][:, 2] * width * batch["bboxes"][:, 3] * height
        self._tiny += int((area < pictures.TINY**2).sum())
        first = not self._inputs and not self._unchanged
        if first and self.job.pictures_every and trainer.epoch in (0, trainer.epochs - int(trainer.args.close_mosaic)):
            self._inputs = pictures.sheet([*_inputs(batch)], trainer.data["names"], threshold=1.0)
        if trainer.epoch == 0 and len(self._first) < COMPARED:
            self._first.update(zip(batch["im_file"][:COMPARED], _averaged(batch, slice(COMPARED)), strict=False))
        elif trainer.epoch == 1:
            met = [place for place, path in enumerate(batch["im_file"]) if path in self._first]
            same = zip(met, _averaged(batch, met), strict=True) if met else ()
            self._unchanged += [
                float((now - self._first[batch["im_file"][place]]).abs().max()) < SAME for place, now in same
            ]

    def step(self, trainer: Any) -> None:  # noqa: ANN401
        """Record the gradient norm before a step of the optimizer, and its histograms once an epoch."""
        import torch

        scale = trainer.scaler.get_scale()
        gradients = [parameter.grad for parameter in trainer.model.parameters() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients).detach() / scale
        self._norm = self._norm + torch.where(torch.isfinite(norm), norm, 0.0)  # mixed precision skips infinite steps
        self._steps += 1
        if not self._histograms and self._wants_histograms() and self.job.pictures(trainer.epoch + 1):
            self._histograms = {
                **_histograms("gradients", unwrapped(trainer), lambda parameter: parameter.grad, scale=scale),
                **_histograms("weights", unwrapped(trainer), lambda parameter: parameter.detach(), scale=1.0),
            }

    def details(self, trainer: Any, *, validated: bool) -> EpochDetails:  # noqa: ANN401
        """Return what the epoch shows."""
        self._note_losses(trainer)
        scalars = {**self._speed(max(trainer.world_size, 1)), **_memory()}
        if self._steps:
            scalars["train/gradient_norm"] = float(self._norm) / self._steps
        if self._unchanged:
            scalars["input/unchanged_share"] = float(np.mean(self._unchanged))
        images = {"input/augmented": self._inputs} if self._inputs else {}
        if not validated:
            return EpochDetails(_finite(scalars), images)
        scalars |= _validation(trainer.validator)
        pictured = _pictures(trainer.validator) if trainer.validator.pictured else EpochDetails()
        return EpochDetails(_finite(scalars), {**images, **pictured.images}, pictured.pr_curves, self._histograms)

    def _speed(self, processes: int) -> dict[str, float]:
        """Return images per second of all processes, and what this one has seen of the inputs."""
        total = self._waited + self._batches
        if not total:
            return {}
        return {
            "time/images_per_second": processes * self._images / total,
            "time/data_wait_share": self._waited / total,
            "input/boxes_per_image": self._boxes / max(self._images, 1),
            "input/tiny_share": self._tiny / max(self._boxes, 1),
        }

    def _note_losses(self, trainer: Any) -> None:  # noqa: ANN401
        for name, value in trainer.label_loss_items(trainer.tloss, prefix="train").items():
            self._losses.setdefault(name, []).append(float(value))

    def _wants_histograms(self) -> bool:
        if self.job.histograms is not None:
            return self.job.histograms
        return any(oscillates(values) for values in self._losses.values())


def _finite(scalars: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scalars.items() if np.isfinite(value)}


def _memory() -> dict[str, float]:
    """Return GPU memory and utilisation, where this process uses a GPU."""
    import torch

    if not torch.cuda.is_initialized():
        return {}
    found = {"gpu/memory_gb": torch.cuda.max_memory_reserved() / 1e9}
    try:
        return {**found, "gpu/utilisation": float(torch.cuda.utilization())}
    except ModuleNotFoundError:  # it needs NVIDIA's own bindings, which no dependency brings
        return found


def _validation(validator: Any) -> dict[str, float]:  # noqa: ANN401
    """Return per-class AP and recall, best F1 with its threshold, and recall by object size."""
    box, names = validator.metrics.box, validator.metrics.names
    if not len(box.ap_class_index):
        return {}
    mean_f1 = np.asarray(box.f1_curve).mean(axis=0)
    best = int(mean_f1.argmax())
    threshold = float(box.px[best])
    per_class = {
        f"{prefix}/{names[int(kind)]}": float(values[row])
        for prefix, values in (("class_ap50_95", box.ap), ("class_ap50", box.ap50))
        for row, kind in enumerate(box.ap_class_index)
    }
    usual = int(np.searchsorted(box.px, USUAL))
    per_class |= {
        f"class_recall/{names[int(kind)]}": float(box.r_curve[row][usual])
        for row, kind in enumerate(box.ap_class_index)
    }
    best_f1 = {"val/best_f1": float(mean_f1[best]), "val/best_f1_threshold": threshold}
    return {**best_f1, **validator.seen_here.scalars(threshold), **per_class}


def _pictures(validator: Any) -> EpochDetails:  # noqa: ANN401
    seen, box, names = validator.seen_here, validator.metrics.box, validator.metrics.names
    truths = dict(enumerate(np.asarray(validator.metrics.nt_per_class).astype(int).tolist()))
    threshold = _validation(validator).get("val/best_f1_threshold", 1.0)
    images = {"val/confusion_matrix": pictures.confusion(np.asarray(seen.confusion.matrix, np.float64), names)}
    if seen.drawn:
        drawn = [seen.drawn[name] for name in sorted(seen.drawn)]
        images["val/predictions"] = pictures.sheet(drawn, names, threshold=threshold)
    return EpochDetails(images=images, pr_curves=pictures.pr_curves(box, truths, names))


def _averaged(batch: Any, places: Any) -> Any:  # noqa: ANN401
    from torch.nn.functional import adaptive_avg_pool2d

    return adaptive_avg_pool2d(batch["img"][places].float(), POOLED).cpu()


def _inputs(batch: Any) -> Iterator[Drawn]:  # noqa: ANN401
    from ultralytics.utils.ops import xywh2xyxy

    nothing = np.zeros(0, np.float32)
    for place, image in enumerate(islice(batch["img"], pictures.MOST_IMAGES)):
        mine = batch["batch_idx"] == place
        height, width = image.shape[1:]
        corners = xywh2xyxy(batch["bboxes"][mine]).cpu().numpy().reshape(-1, 4) * (width, height, width, height)
        yield Drawn(
            image=np.ascontiguousarray((image.float().clamp(0, 1) * 255).byte().permute(1, 2, 0).cpu().numpy()),
            truth=corners.astype(np.float32),
            truth_class=batch["cls"][mine].reshape(-1).long().cpu().numpy(),
            found=nothing.reshape(0, 4),
            found_class=nothing.astype(np.int64),
            conf=nothing,
        )


def _histograms(kind: str, model: Any, value_of: Any, *, scale: float) -> dict[str, Histogram]:  # noqa: ANN401
    """Return one histogram for each group of layers."""
    import torch

    layers = len(model.model)
    backbone = len(model.yaml["backbone"])
    groups: dict[str, list[Any]] = {name: [] for name in GROUPS}
    for number, layer in enumerate(model.model):
        group = "backbone" if number < backbone else "head" if number == layers - 1 else "neck"
        groups[group] += [value.flatten() for p in layer.parameters() if (value := value_of(p)) is not None]
    found = {}
    for group, values in groups.items():
        if values:
            flat = torch.cat(values).float().cpu().numpy() / scale
            counts, edges = np.histogram(flat[np.isfinite(flat)], BINS)
            found[f"{kind}/{group}"] = Histogram(counts.astype(np.float64), edges.astype(np.float64))
    return found
