"""Evaluation settings of a trained model: Ultralytics' validation arguments, as in the job that trained it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from automl.study import EvalSettings, Job
from automl.study.yaml_io import read_yaml
from automl.trainers.yolo.arguments import overrides
from automl.trainers.yolo.settings import settings

ONE_CLASS: Final = {0: "item"}
"""Ultralytics' class name in a training with `single_cls`."""


def evaluation(job: Job) -> EvalSettings:
    """Return how the model of a job is validated, exported, evaluated and served.

    Where `max_det` is left at its default, it is raised to the most boxes of a picture, as Ultralytics does in a
    training (`DetectionTrainer._build_train_pipeline`), here over all splits.
    """
    wanted = settings() | overrides(job, job.folder)
    source = Path(job.data)
    raw = read_yaml(source)
    classes = _classes(wanted["classes"])
    most = int(wanted["max_det"])
    if most == settings()["max_det"]:
        most = max(most, _most_boxes(source.parent / "labels", source.stat().st_mtime_ns, classes))
    return EvalSettings(
        imgsz=int(wanted["imgsz"]),
        channels=int(raw.get("channels") or 3),
        conf=None if wanted["conf"] is None else float(wanted["conf"]),
        iou=float(wanted["iou"]),
        max_det=most,
        agnostic_nms=bool(wanted["agnostic_nms"]),
        single_cls=bool(wanted["single_cls"]),
        classes=classes,
        nms=wanted["nms"] is not False,
        names=model_names(wanted, _numbered(raw["names"])),
    )


def model_names(fixed: Mapping[str, Any], names: Mapping[int, str]) -> dict[int, str]:
    """Return the classes of a model trained with these fixed settings, for the classes of the data set."""
    return dict(ONE_CLASS if fixed.get("single_cls") else names)


def validation_arguments(record: EvalSettings) -> dict[str, Any]:
    """Return the arguments of Ultralytics' `val` for a record."""
    return {
        "imgsz": record.imgsz,
        "iou": record.iou,
        "max_det": record.max_det,
        "agnostic_nms": record.agnostic_nms,
        "single_cls": record.single_cls,
        "classes": None if record.classes is None else list(record.classes),
        "nms": None if record.nms else False,
        **({} if record.conf is None else {"conf": record.conf}),
    }


def _classes(value: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, int) else tuple(value)


def _numbered(names: Mapping[Any, Any] | Sequence[Any]) -> dict[int, str]:
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
    return {int(number): str(name) for number, name in pairs}


@lru_cache(maxsize=8)
def _most_boxes(labels: Path, _changed: int, classes: tuple[int, ...] | None) -> int:
    """Return the maximum number of boxes of a staged label file; duplicate lines count as one box."""
    return max((_boxes(file, classes) for file in labels.rglob("*.txt")), default=0)


def _boxes(file: Path, classes: tuple[int, ...] | None) -> int:
    lines = {line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()}
    return sum(classes is None or int(float(line.split()[0])) in classes for line in lines)
