"""Which weights may be loaded: a `.pt` is a pickle, and loading one runs what it names.

Asked wherever a `.pt` enters. Ultralytics' own restricted loading (`ULTRALYTICS_SAFE_LOAD`) is on as well and stands
behind this; here the user learns which file, what is in it and what to do.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from automl.study.errors import TrialError
from automl.trainers.yolo.state_file import UNREADABLE
from automl.trainers.yolo.vendor import TRUST, trusted, ultralytics

CLASSES: Final = re.compile(
    r"((?:torch|ultralytics)\.nn\.modules(?:\.\w+)?|ultralytics\.(?:nn\.tasks|utils\.(?:loss|tal)))\.(\w+)"
)
"""Modules of which layers and losses may be named, and nothing else that can be reached through them."""
VALUES: Final = frozenset({
    "ultralytics.utils.IterableSimpleNamespace", "ultralytics.yolo.utils.IterableSimpleNamespace",
    "ultralytics.nn.modules.block.Silence", "ultralytics.nn.tasks.YOLOv10DetectionModel",
    "ultralytics.utils.loss.v10DetectLoss", "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath",
})  # fmt: skip
"""What published weights hold beside layers: settings, numbers, paths, and layers under their former names."""
SHOWN: Final = 5


def weights_mistake(path: Path) -> str:
    """Return the law that a weights file breaks, empty when it may be loaded."""
    ultralytics()
    from torch.serialization import get_unsafe_globals_in_checkpoint

    if trusted():
        return ""
    try:
        found = get_unsafe_globals_in_checkpoint(path)
    except UNREADABLE as error:
        return f"must be weights that torch wrote, but {path} cannot be read: {' '.join(str(error).split())}"
    if not (strange := sorted(name for name in found if not _harmless(name))):
        return ""
    named = ", ".join(strange[:SHOWN]) + (f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else "")
    return (
        f"must hold layers and numbers only, but {path} names {named}, which loading it could run; "
        f"if you trust who made the file, set {TRUST}=1"
    )


def refuse_strange(value: object) -> None:
    """See that a value which names a `.pt` names one that may be loaded; any other value passes.

    Raises:
        TrialError: it may not.
    """
    if not isinstance(value, str | Path) or Path(value).suffix.lower() != ".pt" or not Path(value).is_file():
        return
    if mistake := weights_mistake(Path(value)):
        raise TrialError(f"weights: {mistake}")
    from ultralytics.nn import tasks

    tasks.SAFE_LOAD = not trusted()  # read from the environment once, at the import


def _harmless(name: str) -> bool:
    """Return True if a name is a known value, or a layer or loss defined where it says."""
    if name in VALUES:
        return True
    if not (parts := CLASSES.fullmatch(name)):
        return False
    module, attribute = parts.groups()
    try:
        found: Any = getattr(import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type) and _layer_or_loss(found, module)


def _layer_or_loss(found: type, module: str) -> bool:
    from torch.nn import Module

    if module.startswith("ultralytics.utils."):
        return found.__module__ == module
    return issubclass(found, Module) and found.__module__.startswith(("torch.nn.modules.", "ultralytics.nn."))
