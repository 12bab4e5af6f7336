"""Registry of trainers: name to module, and the default trainer of this process.

Both are stored in the environment, which the processes of a study inherit: workers, timed trainings, commands. Neither
is an option or a YAML key, since one trainer is shipped (docs/decisions/0026). A job names its trainer; only
registered names are imported, whatever a job's file contains.
"""

import os
from functools import cache
from importlib import import_module
from typing import Final, cast

from automl.study import Job
from automl.study.errors import StudyError
from automl.trainers.protocol import Trainer

BUILT_IN: Final = {"yolo": "automl.trainers.yolo"}
REGISTERED: Final = "AUTOML_TRAINERS"
"""Further trainers: `name=package.module`, separated by commas."""
CHOSEN: Final = "AUTOML_TRAINER"
"""The name of the trainer that this process's studies use, `yolo` unless set."""


def register(name: str, module: str) -> None:
    """Register a module as a trainer, here and in the processes that this one starts."""
    others = {known: path for known, path in _modules().items() if known not in {name, *BUILT_IN}}
    os.environ[REGISTERED] = ",".join(f"{known}={path}" for known, path in {**others, name: module}.items())


def chosen() -> str:
    """Return the name of the trainer that this process's studies use."""
    return os.environ.get(CHOSEN, next(iter(BUILT_IN)))


def trainer_of(job: Job | None = None) -> Trainer:
    """Return the trainer of a job; without one, that of this process's studies. Its module is imported on demand.

    Raises:
        StudyError: no trainer of that name is registered.
    """
    return _imported(module_of(job.trainer if job else chosen()))


def module_of(name: str) -> str:
    """Return the module of a registered trainer.

    Raises:
        StudyError: no trainer of that name is registered.
    """
    known = _modules()
    if name not in known:
        raise StudyError(f"trainer: must be one of {sorted(known)}, but got {name!r}; update automl")
    return known[name]


def _modules() -> dict[str, str]:
    pairs = (entry.partition("=") for entry in os.environ.get(REGISTERED, "").split(",") if entry)
    return {**{name: module for name, _, module in pairs}, **BUILT_IN}


@cache
def _imported(module: str) -> Trainer:
    return cast("Trainer", import_module(module))
