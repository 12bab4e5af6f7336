"""Search parameters without effect on a detection training, by the rules of Ultralytics.

Read in Ultralytics 8.4.190 (build_optimizer, close_mosaic).
"""

from collections.abc import Iterator, Mapping, Sequence
from math import floor

from automl.study import ParamValue
from automl.study.space import SET_BY_AUTO, Alternatives, Choice, Integer, Real, SearchSpace, Single, named_parts, parts

ADAM_FAMILY = frozenset({"adam", "adamax", "adamw", "nadam", "radam"})
LATE = 3
"""Epochs before the end at which a short training may close mosaic; Ultralytics' own 10 are for long ones."""
MOSAIC_FAMILY = ("mosaic", "mixup", "cutmix", "close_mosaic")
OTHER_TASKS = frozenset({
    "mask_ratio", "overlap_mask", "dropout", "erasing", "auto_augment", "pose",
    "kobj", "rle", "angle", "dlog", "dgrad", "dlam",
})  # fmt: skip

EVALUATION = frozenset({"single_cls", "classes"})
"""Settings that change the boxes of the evaluation: trials that differ in them cannot be compared."""


def dead_parameters(space: SearchSpace, settings: Mapping[str, ParamValue], *, epochs: int) -> Iterator[str]:
    """Yield `space.name: why` for each parameter that cannot change a detection training.

    `settings` are the fixed train settings with Ultralytics' defaults filled in. The rules were read in
    Ultralytics 8.4.190 (build_optimizer, close_mosaic) and checked there by bitwise comparison of weights.
    """
    for name, parameter in space.parameters.items():
        if name in OTHER_TASKS:
            yield f"space.{name}: no effect on detection, a setting of another task; remove it from space"
        elif name in EVALUATION:
            yield f"space.{name}: must be equal for all trials, since it changes the evaluation; set train.{name}"
        elif name in MOSAIC_FAMILY and _smallest(space, "close_mosaic", settings) >= epochs:
            closing = _smallest(space, "close_mosaic", settings)
            yield (
                f"space.{name}: close_mosaic < max_epochs must hold, but got close_mosaic={closing:g}, "
                f"max_epochs={epochs}: mosaic, mixup and cutmix would be off from the first epoch; "
                f"{_open_longer(space, closing, epochs)}"
            )
        for where, part in named_parts(name, parameter):
            yield from _ignored(name, where, [*_optimizers(space, part, settings)])


def _open_longer(space: SearchSpace, closing: float, epochs: int) -> str:
    """Return the setting that closes mosaic after the first epoch."""
    longer = f"--set ladder.max_epochs={floor(closing) + 1}"
    if "close_mosaic" in space.parameters:
        return f"set space.close_mosaic to values below {epochs}, or {longer}"
    return f"--set train.close_mosaic={min(LATE, epochs - 1)}, or {longer}"


def _ignored(name: str, where: str, optimizers: Sequence[str]) -> Iterator[str]:
    """Yield why the optimizers under which a part of a parameter is live ignore it."""
    others = [optimizer for optimizer in optimizers if optimizer.lower() != "auto"]
    if name in SET_BY_AUTO and not others:
        yield f"{where}: optimizer=auto ignores it; --set train.optimizer=SGD, or search space.optimizer"
    elif name in SET_BY_AUTO and len(others) < len(optimizers):
        listed = ", ".join(others)
        yield f"{where}: optimizer=auto ignores it, so it must be conditional; add when: {{optimizer: [{listed}]}}"
    elif name == "warmup_momentum" and {optimizer.lower() for optimizer in optimizers} <= ADAM_FAMILY:
        yield f"{where}: has no effect under {sorted(optimizers)}"


def _optimizers(space: SearchSpace, part: Single, settings: Mapping[str, ParamValue]) -> dict[str, None]:
    """Return the optimizers under which a part can be live, including its parents' conditions."""
    live_under = dict.fromkeys(map(str, _values(space, "optimizer", settings)))
    for parent, values in part.when.items():
        owners = (_optimizers(space, owner, settings) for owner in parts(space.parameters[parent]))
        allowed = dict.fromkeys(map(str, values)) if parent == "optimizer" else {k: None for o in owners for k in o}
        live_under = {optimizer: None for optimizer in live_under if optimizer in allowed}
    return live_under


def _values(space: SearchSpace, name: str, settings: Mapping[str, ParamValue]) -> tuple[ParamValue, ...]:
    parameter = space.parameters.get(name)
    if isinstance(parameter, Choice):
        return parameter.choices
    return (settings[name],)


def _smallest(space: SearchSpace, name: str, settings: Mapping[str, ParamValue]) -> float:
    parameter = space.parameters.get(name)
    if isinstance(parameter, Real | Integer | Alternatives):
        return parameter.low
    return min(float(value) for value in _values(space, name, settings))
