"""Default hyperparameters of a plain `yolo train`: Ultralytics' defaults, with `optimizer=auto` resolved."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
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

UNCOMPILED: Final = "__dynamo_disable"


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
    with _without_compiler():
        built = BaseTrainer.build_optimizer(trainer, head, name="auto", iterations=iterations)
    group = built.param_groups[0]
    momentum = group["betas"][0] if "betas" in group else plain["momentum"]
    chosen = vars(trainer.args)
    return {name: chosen[name] for name in ("optimizer", "lr0", "warmup_bias_lr")} | {"momentum": float(momentum)}


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Keep torch from importing its compiler for an optimizer that is never stepped (decision 90): 1.5 s of CPU.

    `add_param_group` looks for its uncompiled form, by this name, and imports `torch._dynamo` to make it where it is
    missing. A torch that names it otherwise imports the compiler as before.
    """
    from torch.optim import Optimizer

    function: Any = getattr(Optimizer.add_param_group, "__wrapped__", None)
    if function is None or hasattr(function, UNCOMPILED):
        yield
        return
    setattr(function, UNCOMPILED, function)
    try:
        yield
    finally:
        delattr(function, UNCOMPILED)
