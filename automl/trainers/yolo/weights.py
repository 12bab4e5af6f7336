"""Weights of any format: validate, load, strip, export."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl.storage import detection_rate
from automl.storage.detections import ImageStats
from automl.study import EvalSettings, Job
from automl.study.errors import ExportError
from automl.trainers.other_formats import Form
from automl.trainers.yolo import openvino_precision, out_of_memory, tensorrt_runtime
from automl.trainers.yolo.arguments import overrides
from automl.trainers.yolo.data_fit import built, refuse_unjudged
from automl.trainers.yolo.evaluation import evaluation, validation_arguments
from automl.trainers.yolo.pickle_scan import refuse_strange
from automl.trainers.yolo.vendor import named, ultralytics

RGB: Final = 3


def validate(weights: Path, job: Job, *, split: str, as_trained: bool = False) -> dict[str, float]:
    """Measure weights (`.pt`, `.onnx` or `.engine`) on a split, square letterbox, one image size for all formats.

    Args:
        weights: The file.
        job: Where its data and sizes come from.
        split: `val`, `test` or `train`.
        as_trained: Measure as a training does at its end: twice the batch, each batch in a frame of its own shape.

    Returns:
        Tag to value, such as `test/map50_95` on the test split, and `class/<name>` for the AP50-95 of each class.

    Raises:
        TrialError: memory ran out, or the file is not to be trusted.
        DataError: images of the split that were staged are left out.
    """
    return judge(weights, job, split=split, as_trained=as_trained)[0]


def judge(weights: Path, job: Job, *, split: str, as_trained: bool = False) -> tuple[dict[str, float], ImageStats]:
    """Validate weights as `validate` does; return the metrics and their inputs, image by image."""
    vendor = ultralytics()
    from automl.trainers.yolo.recorder import recording_validator

    refuse_strange(weights)
    wanted, record = overrides(job, weights.parent), evaluation(job)
    batch = wanted["batch"] * (2 if as_trained else 1)
    validator, recorded = recording_validator()
    with (
        out_of_memory.named(lambda: batch),
        openvino_precision.in_fp32(weights),
        tensorrt_runtime.allowing_own_code(weights),
    ):
        found = vendor.YOLO(weights, task="detect").val(
            validator=validator,
            data=job.data, split=split, batch=batch, rect=as_trained, plots=False, device=wanted["device"],
            workers=wanted["workers"], verbose=False, save_dir=str(weights.parent / "val"),
            **validation_arguments(record),
        )  # fmt: skip
    refuse_unjudged(recorded.names, Path(job.data), split)
    classes = {f"class/{found.names[index]}": float(found.maps[index]) for index in found.ap_class_index}
    shutil.rmtree(weights.parent / "val", ignore_errors=True)
    metrics = {tag.replace("val/", f"{split}/", 1): value for tag, value in named(found.results_dict).items()}
    stats = recorded.stats()
    return metrics | detection_rate.of_stats(stats, job.metric, split=split) | classes, stats


def parameters(model: str) -> int:
    """Return the number of trainable parameters of a model, by its weights or its description.

    Raises:
        TrialError: the file is no model, or it may run code.
    """
    return sum(part.numel() for part in built(model).parameters())


def strip(weights: Path) -> None:
    """Remove the optimizer from a checkpoint, in place."""
    ultralytics()
    refuse_strange(weights)
    from ultralytics.utils.torch_utils import strip_optimizer

    strip_optimizer(weights)


def export_onnx(weights: Path, job: Job) -> Path:
    """Write `<weights>.onnx`, fixed shape, batch 1, FP32, and return its path; any batch with the setting `dynamic`.

    A head without non-maximum suppression returns as many rows as the job's evaluation allows boxes.

    Raises:
        ExportError: Ultralytics could not export.
    """
    from automl.trainers.yolo.formats import export_as

    record = evaluation(job)
    return export_as(weights, record, Form("onnx", record.imgsz, record.imgsz, job.settings.get("dynamic") is True))


def letterboxed(images: Sequence[Path], job: Job) -> NDArray[np.float32]:
    """Read images as in training: n x channels x size x size, RGB, 0..1; unreadable ones are excluded."""
    record = evaluation(job)
    found = letterboxed_to(images, (record.imgsz, record.imgsz), channels=record.channels)
    if not len(found):
        raise ExportError(f"{job.data}: {job.split}: must contain a readable image, but none of {len(images)} is")
    return found


def letterboxed_to(images: Sequence[Path], shape: tuple[int, int], *, channels: int) -> NDArray[np.float32]:
    """Read images letterboxed to height and width, n x channels x height x width, RGB, 0..1; no unreadable ones."""
    ultralytics()
    import cv2
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils.patches import imread

    box = LetterBox(shape, auto=False, scaleup=True)
    flag = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR}.get(channels, cv2.IMREAD_UNCHANGED)
    read = (imread(str(path), flags=flag) for path in images)
    boxed = (box(image=np.atleast_3d(picture)) for picture in read if picture is not None)
    pictures = [np.atleast_3d(picture).transpose(2, 0, 1) for picture in boxed]
    ordered = [picture[::-1] if channels == RGB else picture for picture in pictures]
    return np.asarray(np.stack(ordered) / 255 if ordered else np.empty((0, channels, *shape)), dtype=np.float32)


def raw_outputs(weights: Path, pictures: NDArray[np.float32], job: Job) -> NDArray[np.float32]:
    """Run weights in torch on letterboxed pictures, one at a time; n x ... as the export's first output."""
    return outputs_of(weights, pictures, evaluation(job))


def outputs_of(weights: Path, pictures: NDArray[np.float32], record: EvalSettings) -> NDArray[np.float32]:
    """Run weights as `raw_outputs` does, by the record of their evaluation."""
    ultralytics()
    refuse_strange(weights)
    import torch
    from ultralytics.nn.autobackend import AutoBackend

    model = AutoBackend(str(weights), device=torch.device("cpu"), fp16=False, verbose=False, end2end=not record.nms)
    if getattr(model, "end2end", False):  # as Ultralytics' validator does
        model.backend.model.set_head_attr(max_det=record.max_det, agnostic_nms=record.agnostic_nms)
    with torch.inference_mode():
        outputs = [model(torch.from_numpy(picture[None])) for picture in pictures]
    firsts = [output[0] if isinstance(output, list | tuple) else output for output in outputs]
    return np.concatenate([first.float().numpy() for first in firsts])


def load(weights: Path) -> Any:  # noqa: ANN401
    """Load weights of any format as Ultralytics' model.

    Raises:
        TrialError: the file is not to be trusted.
    """
    refuse_strange(weights)
    return ultralytics().YOLO(weights, task="detect")


def has_cuda() -> bool:
    """Return True if this machine can run a CUDA engine."""
    ultralytics()
    import torch

    return bool(torch.cuda.is_available())
