"""Settings of Ultralytics: their defaults, their laws, and those that the program sets itself."""

from typing import Any, Final

from automl.trainers.yolo.vendor import ultralytics

STRIDE: Final = 32
"""Other image sizes are trained at the next multiple, but exported as they are."""
MANAGED: Final = {
    "model": "set model at the top level or search it in space",
    "data": "set data at the top level",
    "epochs": "set ladder.max_epochs",
    "time": "set budget.hours",
    "patience": "only the ladder stops trials",
    "seed": "set seed at the top level",
    "device": "Ray assigns the devices; set resources.gpus",
    "workers": "set resources.cpus",
    "resume": "a trial resumes from its own checkpoint",
    "val": "set ladder.validate_every",
} | dict.fromkeys(
    ("task", "mode", "project", "name", "exist_ok", "save", "save_period", "split", "plots", "verbose", "cfg"),
    "it is the same for every trial",
)

NOT_SHIPPED: Final[dict[str, tuple[tuple[object, ...], str]]] = {
    "augment": (
        (False, None),
        "must be false: an exported model has no test-time augmentation, so models are evaluated without it",
    ),
    "quantize": (
        (None, 32, "fp32"),
        "must be null: models are evaluated and exported in FP32; see `export` for engines",
    ),
    "dnn": ((False, None), "must be false: ONNX files are evaluated by ONNX Runtime"),
}
"""Settings that would evaluate a model in a form that does not ship: the rejected values, and the law."""


def settings() -> dict[str, Any]:
    """Return every setting of Ultralytics with its default."""
    return dict(ultralytics().utils.DEFAULT_CFG_DICT)


def setting_mistake(name: str, value: object) -> str:
    """Return Ultralytics' error for a value of a setting, empty when it is valid."""
    ultralytics()
    from ultralytics.cfg import check_cfg

    if name == "optimizer":
        known = ("SGD", "MuSGD", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSprop", "auto")
        return "" if str(value).lower() in {k.lower() for k in known} else f"must be one of {list(known)}"
    if name in {"batch", "imgsz"}:
        step = STRIDE if name == "imgsz" else 1
        whole = isinstance(value, int) and not isinstance(value, bool) and value > 0 and value % step == 0
        return "" if whole else f"must be a positive whole number{f', a multiple of {step}' if step > 1 else ''}"
    if name in NOT_SHIPPED and value not in NOT_SHIPPED[name][0]:
        return NOT_SHIPPED[name][1]
    try:
        check_cfg({name: value}, hard=True)
    except (TypeError, ValueError) as error:
        return " ".join(str(error).split())
    return ""
