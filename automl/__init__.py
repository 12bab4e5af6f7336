"""automl: distributed hyperparameter search for Ultralytics YOLO, from a data set to a champion.

The public Python API; the names are imported when they are first used, so that `import automl` loads no vendor.
"""

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

# ONNX Runtime from 1.29 on sends usage data to its vendor unless told not to, from its import on, in every process.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from automl.apps.api import Study, check, open_study, search
    from automl.apps.registry import Registry
    from automl.pipeline.preview import Preview
    from automl.study.errors import (
        AutomlError,
        DataAwayError,
        DataError,
        ExportError,
        Interrupted,
        RegistryError,
        SpecError,
        StudyError,
        TrialError,
    )
    from automl.study.verdict import Verdict
    from automl.tracking.diagnosis.finding import Finding
    from automl.tracking.study_status import StudyStatus

__all__ = [
    "AutomlError",
    "DataAwayError",
    "DataError",
    "ExportError",
    "Finding",
    "Interrupted",
    "Preview",
    "Registry",
    "RegistryError",
    "SpecError",
    "Study",
    "StudyError",
    "StudyStatus",
    "TrialError",
    "Verdict",
    "check",
    "open_study",
    "search",
]

_HOMES: Final = {
    "Finding": "automl.tracking.diagnosis.finding",
    "Preview": "automl.pipeline.preview",
    "Registry": "automl.apps.registry",
    "Study": "automl.apps.api",
    "StudyStatus": "automl.tracking.study_status",
    "Verdict": "automl.study.verdict",
    "check": "automl.apps.api",
    "open_study": "automl.apps.api",
    "search": "automl.apps.api",
}
"""Public name to the module that defines it; what is not listed is an error class."""


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a public name when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'automl' has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "automl.study.errors")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, on which an import of the entry script `automl/search.py` does not replace the function `search`.

    The import system binds every submodule as an attribute of its package (docs/decisions/0024).
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name == "search" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
