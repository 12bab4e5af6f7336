"""A trainer for tests without torch: a learning curve in closed form with seeded noise, an epoch in milliseconds.

The curve rises to a height that depends on `lr0` (best at 0.03) and `momentum`; noise of an epoch depends on that of
the epoch before, so that a training resumed without its whole state takes another course. Weights are JSON under a
checksum and hold the quality that a judge turns into hits and misses; the ONNX file is a real one.
"""

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.storage import detection_rate, detections
from automl.storage.detections import ImageStats
from automl.storage.epoch_details import EpochDetails
from automl.storage.layout import BEST, LAST
from automl.study import EvalSettings, Job, Measurement, ParamValue
from automl.study.errors import ExportError, TrialError
from automl.study.space import SearchSpace
from automl.study.yaml_io import read_yaml
from automl.trainers import OnEpoch, Timing, register
from tests import tiny_comparison, tiny_device, tiny_features, tiny_files, tiny_judge
from tests.tiny_files import PICTURE, STATE, WEIGHTS, read, write

NAME = "tiny"
MODEL = "tiny.yaml"
PARAMETERS = 1000
BATCH, TRAIN_BATCHES, VAL_BATCHES = 16, 1, 1
OPTIMIZERS = ("auto", "SGD", "AdamW")
MANAGED = {"epochs": "set ladder.max_epochs", "model": "set model", "data": "set data", "seed": "set seed"}
damage, write_untrained, object_features = tiny_files.damage, tiny_files.write_untrained, tiny_features.object_features
device_meter, gpu_count, has_cuda = tiny_device.device_meter, tiny_device.gpu_count, tiny_device.has_cuda
compare, unprovable, preload = tiny_comparison.compare, tiny_comparison.unprovable, tiny_files.preload
DIVERGES = 1.0
"""From this `lr0` on the loss is no number after the first epoch."""
HYPERPARAMETERS: Mapping[str, Any] = {
    "optimizer": "auto", "lr0": 0.01, "momentum": 0.9, "warmup_epochs": 0.0, "warmup_bias_lr": 0.1,
}  # fmt: skip
DEFAULTS: Mapping[str, Any] = {
    **HYPERPARAMETERS, "imgsz": 32, "batch": BATCH, "noise": 0.01, "epoch_seconds": 0.0, "dropout": 0.0,
}  # fmt: skip


def registered() -> str:
    """Register this trainer and return its name."""
    register(NAME, __name__)
    return NAME


def settings() -> dict[str, Any]:
    return dict(DEFAULTS)


def setting_mistake(name: str, value: object) -> str:
    if name == "optimizer":
        return "" if value in OPTIMIZERS else f"must be one of {list(OPTIMIZERS)}"
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value) or value < 0:
        return "must be a number of at least 0"
    return "must be a positive whole number" if name in {"batch", "imgsz"} and (value <= 0 or value % 1) else ""


def packaged_mistake(name: str) -> str | None:
    return "" if name == MODEL else None


def model_mistake(path: Path) -> str:
    return "" if not damage(path) else f"must be tiny weights, but {path} is not: {damage(path)}"


def dead_parameters(space: SearchSpace, settings: Mapping[str, ParamValue], *, epochs: int) -> Iterator[str]:
    del settings, epochs
    yield from (f"space.{name}: has no effect" for name in space.parameters if name == "dropout")


def misfits(*_values: Any, **_more: Any) -> Iterator[str]:
    yield from ()


def plain_hyperparameters() -> dict[str, Any]:
    return dict(HYPERPARAMETERS)


def resolve_auto(*, images: int, classes: int, epochs: int, batch: int) -> dict[str, Any]:
    del images, classes, epochs, batch
    return {"optimizer": "SGD", "lr0": 0.01, "momentum": 0.9, "warmup_bias_lr": 0.1}


def wanted(job: Job) -> dict[str, Any]:
    """Return the settings of a job, `optimizer=auto` resolved."""
    found = {**DEFAULTS, **job.settings, **job.params}
    automatic = found["optimizer"] == "auto"
    return found | (resolve_auto(images=1, classes=1, epochs=1, batch=1) if automatic else {})


def image_size(job: Job) -> int:
    return int(wanted(job)["imgsz"])


def batch_size(job: Job) -> int:
    return int(wanted(job)["batch"])


@dataclass(slots=True)
class Curve:
    """The course of one training."""

    job: Job
    random: np.random.Generator
    done: int = 0
    drift: float = 0.0

    @classmethod
    def of(cls, job: Job, path: Path | None) -> "Curve":
        if path is None:
            return cls(job, np.random.default_rng(job.seed))
        state, random = read(path, STATE), np.random.default_rng()
        random.bit_generator.state = state["random"]
        return cls(job, random, state["epoch"], state["drift"])

    def epoch(self) -> float:
        """Train an epoch and return the quality after it, 0 to 1."""
        given = wanted(self.job)
        self.done += 1
        self.drift = 0.7 * self.drift + float(given["noise"]) * float(self.random.standard_normal())
        lr0 = max(float(given["lr0"]), 1e-9)
        if lr0 >= DIVERGES:
            return math.nan
        height = 0.85 - 0.2 * abs(math.log10(lr0 / 0.03)) - 0.2 * abs(float(given["momentum"]) - 0.9)
        return min(max(height * (1 - math.exp(-0.7 * self.done)) + self.drift, 0.01), 0.99)

    def state(self) -> dict[str, Any]:
        return {"epoch": self.done, "drift": self.drift, "random": self.random.bit_generator.state}


def train(job: Job, scratch: Path, *, state: Path | None, on_epoch: OnEpoch) -> dict[str, float]:
    parameters(job.model)
    curve, weights, kept, best = Curve.of(job, state), scratch / "weights", scratch / "state", 0.0
    weights.mkdir(parents=True, exist_ok=True)
    while curve.done < job.epochs:
        sys.stdout.write(f"attempt {job.attempt}: epoch {curve.done + 1} of {job.epochs} begins\n")
        since = time.monotonic()
        time.sleep(float(wanted(job)["epoch_seconds"]))
        tiny_files.die_if_asked()
        quality = curve.epoch()
        found = _measured(job, curve.done, quality)
        made = {"epoch": curve.done, "quality": quality, "parameters": PARAMETERS}
        write(weights / LAST, WEIGHTS, made | {"optimizer": [0.0] * PARAMETERS})
        if job.validates(curve.done) and quality > best:
            best = quality
            (weights / BEST).write_bytes((weights / LAST).read_bytes())
        write(kept, STATE, curve.state() | {"weights": made})
        on_epoch(
            Measurement(curve.done, found, seconds=time.monotonic() - since),
            weights / LAST,
            kept,
            _shown(curve.done, job, quality),
        )
    for name in (LAST, BEST):
        strip(weights / name)
    return validate(weights / BEST, job, split="val", as_trained=True)


def _measured(job: Job, epoch: int, quality: float) -> dict[str, float]:
    if not math.isfinite(quality):
        raise TrialError(f"loss is not finite at epoch {epoch}: train/box_loss")
    found = {"train/box_loss": 2 * (1 - quality), "lr/weights": float(wanted(job)["lr0"])}
    if job.validates(epoch):
        names = (*detections.METRICS, job.metric.removeprefix("val/"))
        found |= {f"val/{name}": quality for name in names} | {"val/loss": 1 - quality}
    return found


def _shown(epoch: int, job: Job, quality: float) -> EpochDetails:
    """Show one class and, after the epochs of pictures, one picture."""
    images = {"val/predictions": PICTURE} if job.pictures(epoch) else {}
    return EpochDetails({"train/gradient_norm": 1 - quality}, images)


def set_threads(count: int) -> None:
    del count


def epochs_done(path: Path) -> int:
    content = read(path, STATE, WEIGHTS)
    if content["kind"] == WEIGHTS and content["epoch"] != -1:
        raise TrialError(f"{path}: must be a state or stripped weights, but holds weights of epoch {content['epoch']}")
    return 0 if content["kind"] == WEIGHTS else int(content["epoch"])


def write_weights(state: Path, target: Path) -> None:
    write(target, WEIGHTS, {**read(state, STATE)["weights"], "epoch": -1})


def strip(weights: Path) -> None:
    kept = {name: value for name, value in read(weights, WEIGHTS).items() if name != "optimizer"}
    write(weights, WEIGHTS, kept | {"epoch": -1})


def scan_labels(data: Path) -> None:
    read_yaml(data)


def measure(job: Job, *, copies: int = 1) -> Timing:
    del copies
    return Timing(start=0.1, train_batch=0.01, val_batch=0.01, epoch=0.01, batch=batch_size(job), val_images=BATCH)


def parameters(model: str) -> int:
    if packaged_mistake(model) == "":
        return PARAMETERS
    try:
        return int(read(Path(model), WEIGHTS)["parameters"])
    except OSError as error:
        raise TrialError(f"{model}: cannot be read as a model: {error}") from error


def validate(weights: Path, job: Job, *, split: str, as_trained: bool = False) -> dict[str, float]:
    return judge(weights, job, split=split, as_trained=as_trained)[0]


def judge(weights: Path, job: Job, *, split: str, as_trained: bool = False) -> tuple[dict[str, float], ImageStats]:
    del as_trained
    quality, raw = load(weights)["quality"], read_yaml(Path(job.data))
    stats = tiny_judge.judged(sorted(Path(raw["path"], raw[split]).iterdir()), len(raw["names"]), quality)
    found = {f"{split}/{name}": value for name, value in detections.metrics(stats).items()}
    found |= detection_rate.of_stats(stats, job.metric, split=split)
    return found | {f"class/{name}": quality for name in raw["names"].values()}, stats


def model_names(fixed: Mapping[str, Any], names: Mapping[int, str]) -> dict[int, str]:
    del fixed
    return dict(names)


def detect(weights: Path, job: Job, images: Sequence[Path]) -> Iterator[Any]:
    yield from tiny_judge.detected(images, Path(job.data), float(load(weights)["quality"]))


def evaluation(job: Job) -> EvalSettings:
    names = {int(number): str(name) for number, name in read_yaml(Path(job.data))["names"].items()}
    return EvalSettings(
        imgsz=image_size(job), channels=3, conf=None, iou=0.7, max_det=300, agnostic_nms=False, single_cls=False,
        classes=None, nms=True, names=names,
    )  # fmt: skip


def export_onnx(weights: Path, job: Job) -> Path:
    """Write a graph that returns the mean of each channel times the quality."""
    import onnx  # noqa: PLC0415  (most tests export nothing)

    held, helper, image_size = read(weights, WEIGHTS), onnx.helper, wanted(job)["imgsz"]
    if image_size < 1:
        raise ExportError(f"{weights}: image size must be at least 1, but got {image_size}")
    tensor = helper.make_tensor("quality", onnx.TensorProto.FLOAT, [1], [held["quality"]])
    pooled = helper.make_node("GlobalAveragePool", ["images"], ["mean"])
    scaled = helper.make_node("Mul", ["mean", "quality"], ["output"])
    entry = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, image_size, image_size])
    result = helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [1, 3, 1, 1])
    graph = helper.make_graph([pooled, scaled], NAME, [entry], [result], [tensor])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])
    helper.set_model_props(model, {"quality": repr(held["quality"])})
    onnx.save(model, str(weights.with_suffix(".onnx")))
    return weights.with_suffix(".onnx")


def letterboxed(images: Sequence[Path], job: Job) -> NDArray[np.float32]:
    from PIL import Image  # noqa: PLC0415

    pictures, size = [], image_size(job)
    for path in images:
        with Image.open(path) as image:
            pictures.append(np.asarray(image.convert("RGB").resize((size, size))).transpose(2, 0, 1))
    return np.asarray(np.stack(pictures) / 255, dtype=np.float32)


def raw_outputs(weights: Path, pictures: NDArray[np.float32], job: Job) -> NDArray[np.float32]:
    del job
    means = pictures.mean(axis=(2, 3), keepdims=True)
    return np.asarray(means * np.float32(load(weights)["quality"]), dtype=np.float32)


def load(weights: Path) -> dict[str, Any]:
    return read(weights, WEIGHTS) if weights.suffix == ".pt" else {"quality": tiny_files.exported_quality(weights)}
