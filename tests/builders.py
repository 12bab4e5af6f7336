"""What many tests build: a small description, trials with curves, a trainer's rules without a trainer."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.study import Ending, Measurement, Params, ParamValue, Trial
from automl.study.space import Choice, Integer, Parameter, Real, SearchSpace
from automl.study.spec import StudySpec
from automl.trainers.yolo.dead_parameters import dead_parameters

METRIC = "val/map50_95"
PARAMS: Params = {"lr0": 0.01, "optimizer": "SGD"}
SPEC: Mapping[str, Any] = {
    "name": "small",
    "model": "tiny.yaml",
    "budget": {"trials": 4},
    "ladder": {"min_epochs": 2, "max_epochs": 6},
    "space": {
        "lr0": {"low": 0.001, "high": 0.1, "default": 0.01, "log": True},
        "optimizer": {"choices": ["SGD", "AdamW"], "default": "SGD"},
    },
}

RATES: Mapping[str, Any] = {
    "optimizer": {"choices": ["auto", "SGD", "AdamW"], "default": "auto"},
    "lr0": [
        {"low": 1e-3, "high": 0.05, "default": 0.01, "log": True, "when": {"optimizer": ["SGD"]}},
        {"low": 1e-4, "high": 5e-3, "default": 0.001, "log": True, "when": {"optimizer": ["AdamW"]}},
    ],
}
"""A space of a learning rate with a range for each of two optimizers, and none under `auto`."""


class FakeRules:
    """A trainer with a handful of settings: numbers are wanted but for a few that take anything."""

    ANYTHING = frozenset({"optimizer", "cache", "freeze"})

    def __init__(self) -> None:
        self.MANAGED = {"epochs": "set ladder.max_epochs"}

    def settings(self) -> dict[str, Any]:
        return {
            "lr0": 0.01, "momentum": 0.9, "warmup_momentum": 0.8, "optimizer": "auto", "batch": 16, "imgsz": 640,
            "mosaic": 1.0, "mixup": 0.0, "close_mosaic": 10, "warmup_bias_lr": 0.1, "dropout": 0.0, "cache": False,
            "freeze": None,
        }  # fmt: skip

    def setting_mistake(self, name: str, value: object) -> str:
        return "" if name in self.ANYTHING or isinstance(value, int | float) else "must be a number"

    def packaged_mistake(self, name: str) -> str | None:
        return "" if name in {"tiny.yaml", "small.yaml"} else None

    def model_mistake(self, path: Path) -> str:
        return "must contain layers and numbers only" if path.name.startswith("evil") else ""

    def dead_parameters(self, space: SearchSpace, settings: Mapping[str, ParamValue], *, epochs: int) -> Iterator[str]:
        return dead_parameters(space, settings, epochs=epochs)


def spec_of(**changes: Any) -> StudySpec:
    """Return the small description with some top-level keys changed."""
    return StudySpec.model_validate({**SPEC, **changes})


def space_of(**parameters: Parameter) -> SearchSpace:
    return SearchSpace(parameters)


def mixed_space() -> SearchSpace:
    """Return one parameter of each kind, the last one conditional."""
    return space_of(
        optimizer=Choice(("SGD", "AdamW"), "SGD"),
        lr0=Real(1e-4, 0.1, 0.01, log=True),
        batch=Integer(4, 64, 16),
        momentum=Real(0.5, 0.99, 0.9, when={"optimizer": ("SGD",)}),
    )


def rates_space(default: str = "auto") -> SearchSpace:
    """Return the space `RATES`."""
    optimizer = {**RATES["optimizer"], "default": default}
    return spec_of(space={**RATES, "optimizer": optimizer}).search_space


def measurement(epoch: int, value: float, **metrics: float) -> Measurement:
    return Measurement(epoch, {METRIC: value, "val/map50": value, "val/loss": 1.0, **metrics}, seconds=2.0)


def curve(values: Sequence[float]) -> tuple[Measurement, ...]:
    return tuple(measurement(epoch, value) for epoch, value in enumerate(values, start=1))


def trial_of(
    number: int, values: Sequence[float] = (), *, params: Params | None = None, ending: Ending | None = None
) -> Trial:
    """Return a trial that reported `values`, one an epoch."""
    return Trial(number, PARAMS if params is None else params, seed=number, measurements=curve(values), ending=ending)


def completed(number: int, values: Sequence[float], *, params: Params | None = None) -> Trial:
    return trial_of(number, values, params=params, ending=Ending(final=measurement(len(values), max(values))))


def pruned(number: int, values: Sequence[float], *, params: Params | None = None) -> Trial:
    return trial_of(number, values, params=params, ending=Ending(pruned="rank 3 of 3, 1 advance"))


def failed(number: int, values: Sequence[float] = (), *, cause: str = "out of memory") -> Trial:
    return trial_of(number, values, ending=Ending(cause=cause))


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def record_of(text: str) -> logging.LogRecord:
    """Return a log line as a handler gets it."""
    return logging.LogRecord("automl", logging.INFO, __file__, 1, text, None, None)
