"""Trains, validates and exports; the only file that knows Ultralytics and torch.

Callbacks only, no patched source. Both vendors are imported when first used: they cost seconds and half a gigabyte,
which `automl status` should not pay, and the doors to the network must be shut before (offline.py).
"""

import math
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from automl import offline
from automl.errors import ExportError, TrialError
from automl.records import Job, Measurement

OnEpoch = Callable[[Measurement, Path], None]
"""Called after each epoch with what it gave and the checkpoint of its weights."""

METRICS: Final = {
    "metrics/precision(B)": "val/precision",
    "metrics/recall(B)": "val/recall",
    "metrics/mAP50(B)": "val/map50",
    "metrics/mAP50-95(B)": "val/map50_95",
}
GAINS: Final = {"box_loss": "box", "cls_loss": "cls", "dfl_loss": "dfl"}
L1_LOSS: Final = "l1_loss"
"""What the edge loss is called in models without DFL; one tag serves both, so that model families can be compared."""
MANAGED: Final = {
    "model": "set model at the top level or search it in space",
    "data": "set data at the top level",
    "epochs": "set ladder.max_epochs",
    "time": "set budget.hours",
    "patience": "the ladder alone stops trials",
    "seed": "set seed at the top level",
    "device": "Ray places trials; set resources.gpus",
    "workers": "set resources.cpus",
    "resume": "a trial goes on from its own checkpoint",
} | dict.fromkeys(
    ("task", "mode", "project", "name", "exist_ok", "save", "save_period", "val", "split", "plots", "verbose", "cfg"),
    "it is set for every trial alike",
)


def settings() -> dict[str, Any]:
    """Return every setting of Ultralytics with its default."""
    return dict(_ultralytics().utils.DEFAULT_CFG_DICT)


def setting_mistake(name: str, value: object) -> str:
    """Return what Ultralytics says against a value of a setting, empty when it takes it."""
    _ultralytics()
    from ultralytics.cfg import check_cfg

    if name == "optimizer":
        known = ("SGD", "MuSGD", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSprop", "auto")
        return "" if str(value).lower() in {k.lower() for k in known} else f"must be one of {list(known)}"
    if name in {"batch", "imgsz"}:
        whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
        return "" if whole else "must be a positive whole number"
    try:
        check_cfg({name: value}, hard=True)
    except (TypeError, ValueError) as error:
        return " ".join(str(error).split())
    return ""


def packaged_model(name: str) -> bool:
    """Tell whether Ultralytics ships a model description of that name, such as `yolo11n.yaml`.

    It keeps one file for all scales: `yolo11n.yaml` is read from `yolo11.yaml`.
    """
    shipped = Path(_ultralytics().__file__).parent / "cfg" / "models"
    without_scale = re.sub(r"(\d+)[nslmx](\.yaml)$", r"\1\2", name)
    return Path(name).name == name and any(shipped.rglob(without_scale))


def train(job: Job, scratch: Path, *, checkpoint: Path | None, on_epoch: OnEpoch) -> dict[str, float]:
    """Train to the last epoch and return the metrics of the evaluated `best.pt`.

    Leaves stripped `weights/last.pt` and `weights/best.pt` in `scratch`. With a `checkpoint` the training goes on
    after the epoch it was taken at.

    Raises:
        TrialError: a loss or metric is not finite, memory ran out, or a setting did not arrive.
    """
    ultralytics = _ultralytics()
    wanted = overrides(job, scratch)
    model = ultralytics.YOLO(checkpoint or wanted["model"], task="detect")
    watch = _Watch(job=job, wanted=wanted, on_epoch=on_epoch)
    model.add_callback("on_train_start", watch.started)
    model.add_callback("on_train_epoch_end", watch.check_losses)
    model.add_callback("on_model_save", watch.saved)
    if checkpoint:
        model.train(resume=True, **{key: wanted[key] for key in ("data", "device", "workers", "save_dir", "plots")})
    else:
        model.train(**wanted)
    return _named(model.trainer.metrics)


def overrides(job: Job, scratch: Path) -> dict[str, Any]:
    """Return all that is passed to Ultralytics for a job: fixed settings, then params, then what is ours to set."""
    on_gpu = job.gpus > 0
    ours = {
        "data": job.data,
        "epochs": job.epochs,
        "seed": job.seed,
        "device": 0 if on_gpu else "cpu",
        "workers": min(8, job.threads) if on_gpu else 0,
        "save_dir": str(scratch),
        "exist_ok": True,
        "patience": 0,
        "plots": False,
        "split": job.split,
    }
    return {"model": job.model, **job.settings, **job.params, **ours}


def validate(weights: Path, job: Job, *, split: str) -> dict[str, float]:
    """Measure weights (`.pt`, `.onnx` or `.engine`) on a split, square letterbox, one image size for all formats.

    Returns:
        Tag to value, such as `val/map50_95`, and `class/<name>` for the AP50-95 of each class.
    """
    ultralytics = _ultralytics()
    wanted = overrides(job, weights.parent)
    found = ultralytics.YOLO(weights, task="detect").val(
        data=job.data, split=split, imgsz=wanted["imgsz"], batch=wanted.get("batch", 16), rect=False, plots=False,
        device=wanted["device"], workers=wanted["workers"], verbose=False, save_dir=str(weights.parent / "val"),
    )  # fmt: skip
    classes = {f"class/{found.names[index]}": float(found.maps[index]) for index in found.ap_class_index}
    shutil.rmtree(weights.parent / "val", ignore_errors=True)
    return _named(found.results_dict) | classes


def epochs_done(checkpoint: Path) -> int:
    """Return after how many epochs a checkpoint was taken; 0 for stripped weights, which cannot be trained on.

    Raises:
        TrialError: the file is no checkpoint.
    """
    _ultralytics()
    from ultralytics.nn.tasks import load_checkpoint

    try:
        _, content = load_checkpoint(checkpoint)
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise TrialError(f"{checkpoint}: cannot be read as a checkpoint: {error}") from error
    return int(content.get("epoch", -1)) + 1


def strip(weights: Path) -> None:
    """Take the optimizer out of a checkpoint, in place."""
    _ultralytics()
    from ultralytics.utils.torch_utils import strip_optimizer

    strip_optimizer(weights)


def export_onnx(weights: Path, *, image_size: int) -> Path:
    """Write `<weights>.onnx`, fixed shape, batch 1, FP32, and return its path.

    Raises:
        ExportError: Ultralytics could not export.
    """
    try:
        path = (
            _ultralytics()
            .YOLO(weights, task="detect")
            .export(format="onnx", imgsz=image_size, dynamic=False, simplify=True, device="cpu", verbose=False)
        )
    except (RuntimeError, ValueError, TypeError, ImportError, AssertionError) as error:
        raise ExportError(f"{weights}: ONNX export failed: {error}") from error
    return Path(path)


def letterboxed(images: Sequence[Path], *, image_size: int) -> NDArray[np.float32]:
    """Read images the way validation does: n x 3 x size x size, RGB, 0..1."""
    _ultralytics()
    import cv2
    from ultralytics.data.augment import LetterBox

    box = LetterBox((image_size, image_size), auto=False, scaleup=True)
    pictures = [box(image=cv2.imread(str(path)))[..., ::-1].transpose(2, 0, 1) for path in images]
    return np.asarray(np.stack(pictures) / 255, dtype=np.float32)


def raw_outputs(weights: Path, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run weights in torch on letterboxed pictures, one at a time; n x ... as the export's first output."""
    _ultralytics()
    import torch
    from ultralytics.nn.autobackend import AutoBackend

    model = AutoBackend(str(weights), device=torch.device("cpu"), fp16=False, verbose=False)
    with torch.inference_mode():
        outputs = [model(torch.from_numpy(picture[None])) for picture in pictures]
    firsts = [output[0] if isinstance(output, list | tuple) else output for output in outputs]
    return np.concatenate([first.float().numpy() for first in firsts])


def predict(model: Any, picture: NDArray[np.uint8], *, confidence: float) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the boxes that a loaded model finds: name, confidence, x0, y0, x1, y1 in pixels of the picture."""
    result = model.predict(picture, conf=confidence, verbose=False)[0]
    return [
        {
            "name": result.names[int(kind)],
            "confidence": round(float(sure), 4),
            "box": [round(float(edge), 1) for edge in edges],
        }
        for kind, sure, edges in zip(result.boxes.cls, result.boxes.conf, result.boxes.xyxy, strict=True)
    ]


def load(weights: Path) -> Any:  # noqa: ANN401
    """Load weights of any format for `predict`."""
    return _ultralytics().YOLO(weights, task="detect")


def has_cuda() -> bool:
    """Tell whether this machine can run a CUDA engine."""
    _ultralytics()
    import torch

    return bool(torch.cuda.is_available())


def set_threads(count: int) -> None:
    """Use that many CPU threads; Ultralytics sets a number of its own when it selects the device."""
    import torch

    torch.set_num_threads(count)


@dataclass(slots=True)
class _Watch:
    """The callbacks of one training."""

    job: Job
    wanted: Mapping[str, Any]
    on_epoch: OnEpoch
    _since: float = 0.0

    def started(self, trainer: Any) -> None:  # noqa: ANN401
        set_threads(self.job.threads)
        self._since = time.monotonic()
        arrived = vars(trainer.args)
        for name in self.job.params:
            if name != "model" and arrived.get(name) != self.wanted[name]:
                raise TrialError(f"{name}={self.wanted[name]} was asked for, but Ultralytics got {arrived.get(name)}")

    def check_losses(self, trainer: Any) -> None:  # noqa: ANN401
        epoch = trainer.epoch + 1
        losses = trainer.label_loss_items(trainer.tloss, prefix="train")
        if broken := [name for name, loss in losses.items() if not math.isfinite(loss)]:
            raise TrialError(f"loss is not finite at epoch {epoch}: {', '.join(broken)}")
        batch = self.wanted.get("batch", 16)
        if trainer.args.batch != batch:
            raise TrialError(f"out of memory: batch {batch} did not fit and was halved to {trainer.args.batch}")

    def saved(self, trainer: Any) -> None:  # noqa: ANN401
        now = time.monotonic()
        metrics = {
            **_named(trainer.metrics),
            **_named(trainer.label_loss_items(trainer.tloss, prefix="train")),
            **_rates(trainer.optimizer.param_groups),
        }
        metrics["val/loss"] = _gain_free(metrics, vars(trainer.args))
        epoch = trainer.epoch + 1
        if broken := [name for name, value in metrics.items() if not math.isfinite(value)]:
            raise TrialError(f"not finite at epoch {epoch}: {', '.join(broken)}")
        measurement = Measurement(epoch=epoch, metrics=metrics, seconds=now - self._since)
        self._since = now
        self.on_epoch(measurement, Path(trainer.last))


def _named(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Rename Ultralytics' metrics to our tags and leave out its `fitness`."""
    return {
        METRICS.get(name, name.replace(L1_LOSS, "dfl_loss")): float(value)
        for name, value in metrics.items()
        if name != "fitness"
    }


def _rates(groups: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the two learning rates that every optimizer has; how many groups share them differs by optimizer."""
    rates = {"lr/bias" if group.get("param_group") == "bias" else "lr/weights": group["lr"] for group in groups[::-1]}
    return {name: float(rate) for name, rate in sorted(rates.items())}


def _gain_free(metrics: Mapping[str, float], arguments: Mapping[str, Any]) -> float:
    """Sum the validation losses divided by their gains, so that trials with other gains can be compared."""
    total = 0.0
    for name, gain in GAINS.items():
        if f"val/{name}" in metrics and arguments[gain]:
            total += metrics[f"val/{name}"] / arguments[gain]
    return total


def _ultralytics() -> Any:  # noqa: ANN401
    offline.shut_doors()
    import ultralytics

    # Lighter than asking each time: the flag is the process's own settings object.
    if ultralytics.settings["sync"]:
        ultralytics.settings.update(offline.closed_integrations())
    return ultralytics
