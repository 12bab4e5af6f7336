"""Default hyperparameters of a plain `yolo train`: Ultralytics' defaults, with `optimizer=auto` resolved."""

import math
from types import SimpleNamespace
from typing import Any, Final

from automl.trainers.yolo.settings import settings
from automl.trainers.yolo.vendor import ultralytics

HYPERPARAMETERS: Final = frozenset({
    "optimizer", "lr0", "lrf", "momentum", "weight_decay", "warmup_epochs", "warmup_momentum", "warmup_bias_lr",
    "cos_lr", "nbs", "box", "cls", "cls_pw", "dfl", "close_mosaic", "multi_scale", "hsv_h", "hsv_s", "hsv_v", "degrees",
    "translate", "scale", "shear", "perspective", "flipud", "fliplr", "bgr", "mosaic", "mixup", "cutmix", "copy_paste",
})  # fmt: skip
"""The settings that a plain training leaves at their defaults. All others (image size, batch, cache, classes, ...) are
conditions: they define what is trained and with which resources, and apply to the baseline as to every trial."""


def plain_hyperparameters() -> dict[str, Any]:
    """Return Ultralytics' defaults of the hyperparameters, `optimizer` being `auto`."""
    return {name: value for name, value in settings().items() if name in HYPERPARAMETERS}


def resolve_auto(*, images: int, classes: int, epochs: int, batch: int) -> dict[str, Any]:
    """Return the explicit settings that `optimizer=auto` resolves to.

    Calls Ultralytics' own `build_optimizer` for a training of so many train images, classes, epochs and images a batch.
    Adam variants use `momentum` as beta1. Of SGD variants the warm-up overwrites the momentum that `auto` chose by the
    setting `momentum`, so that one is returned.
    """
    ultralytics()
    from torch import nn
    from ultralytics.engine.trainer import BaseTrainer

    plain = plain_hyperparameters()
    trainer = SimpleNamespace(args=SimpleNamespace(**plain), data={"nc": classes})
    head = nn.Module()
    head.model = nn.ModuleList([nn.Conv2d(1, 1, 1)])
    iterations = math.ceil(images / max(batch, plain["nbs"])) * epochs
    built = BaseTrainer.build_optimizer(trainer, head, name="auto", iterations=iterations)
    group = built.param_groups[0]
    momentum = group["betas"][0] if "betas" in group else plain["momentum"]
    chosen = vars(trainer.args)
    return {name: chosen[name] for name in ("optimizer", "lr0", "warmup_bias_lr")} | {"momentum": float(momentum)}
