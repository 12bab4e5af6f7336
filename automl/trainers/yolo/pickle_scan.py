"""Pickle scan of weights: a `.pt` is a pickle, and loading one runs the functions it names.

Called wherever a `.pt` enters. Ultralytics' own restricted loading (`ULTRALYTICS_SAFE_LOAD`) is on as well, as a
second check; here the user gets a message with the file, its content and the remedy.
"""

import re
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from automl.study.errors import TrialError
from automl.trainers.yolo.state_file import UNREADABLE
from automl.trainers.yolo.vendor import TRUST, trusted, ultralytics

CLASSES: Final = re.compile(
    r"((?:torch|ultralytics)\.nn\.modules(?:\.\w+)?|ultralytics\.(?:nn\.tasks|utils\.(?:loss|tal)))\.(\w+)"
)
"""Modules whose layers and losses are allowed, and nothing else that can be reached through them."""
VALUES: Final = frozenset({
    "ultralytics.utils.IterableSimpleNamespace", "ultralytics.yolo.utils.IterableSimpleNamespace",
    "ultralytics.nn.modules.block.Silence", "ultralytics.nn.tasks.YOLOv10DetectionModel",
    "ultralytics.utils.loss.v10DetectLoss", "numpy.dtype", "numpy.ndarray",
    "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath",
})  # fmt: skip
"""Names in published weights beside layers: settings, numbers, paths, and layers under their former names."""
SHOWN: Final = 5
CONTENTS: Final = {
    b"version https://git-lfs": "it is a pointer of Git LFS; fetch the file itself with `git lfs pull`",
    b"<!doctype": "it is a web page, saved in place of the file",
    b"<html": "it is a web page, saved in place of the file",
    b"<?xml": "it is an XML text, such as the error message of a server, saved in place of the file",
    b"{": "it is a JSON text, such as the error message of a server, saved in place of the file",
    b"\x1f\x8b": "it is compressed by gzip; unpack it",
    b"\x89hdf": "it is an HDF5 file, as Keras writes",
    b"ftrt": "it is a TensorRT engine, which cannot be trained",
    b"\x08": "it looks like an ONNX export, which cannot be trained",
    b"\x80": "it is a bare pickle, or weights of torch before 1.6; save it again with a current torch",
}
"""First bytes of a file that is not a torch checkpoint to its format."""


def weights_mistake(path: Path) -> str:
    """Return the law that a weights file breaks, empty when it may be loaded."""
    if trusted():
        return ""
    try:
        found = names_in(path)
    except UNREADABLE as error:
        reason = _other_content(path) or _first_sentence(error)
        return f"must be weights saved by torch, but {path} cannot be read: {reason}"
    if not (strange := sorted(name for name in found if not _harmless(name))):
        return ""
    named = ", ".join(strange[:SHOWN]) + (f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else "")
    return (
        f"must contain layers and numbers only, but {path} contains {named}, which loading could execute; "
        f"if you trust the author of the file, set {TRUST}=1"
    )


def names_in(path: Path) -> list[str]:
    """Return the classes and functions that weights name, beside those of bare tensors, without executing any."""
    ultralytics()
    from torch.serialization import get_unsafe_globals_in_checkpoint

    return list(get_unsafe_globals_in_checkpoint(path))


def refuse_strange(value: object) -> None:
    """Check that a value which names a `.pt` names one that may be loaded; any other value passes.

    Raises:
        TrialError: it may not.
    """
    if not isinstance(value, str | Path) or Path(value).suffix.lower() != ".pt" or not Path(value).is_file():
        return
    if mistake := weights_mistake(Path(value)):
        raise TrialError(f"weights: {mistake}")
    from ultralytics.nn import tasks

    tasks.SAFE_LOAD = not trusted()  # read from the environment once, at the import


def _other_content(path: Path) -> str:
    """Return the content of a file that is not a torch checkpoint, by its first bytes; empty if unknown."""
    try:
        with path.open("rb") as file:
            head = file.read(256)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                script = any("/code/" in name for name in archive.namelist())
            return (
                "it is a TorchScript export, which cannot be trained"
                if script
                else "it is a zip archive of other files"
            )
    except (OSError, zipfile.BadZipFile):
        return ""
    if not head:
        return "it is empty; copy it again"
    if head[8:10] in {b'{"', b"{ "}:
        return "it contains tensors without a model, in the format safetensors; pass the .pt that Ultralytics wrote"
    if head.startswith(b"PK"):
        return "it is truncated or damaged; copy it again"
    return next((kind for start, kind in CONTENTS.items() if head.lstrip().lower().startswith(start)), "")


def _first_sentence(error: Exception) -> str:
    """Return the first sentence of an error of torch."""
    return " ".join(str(error).split()).partition(". ")[0]


def _harmless(name: str) -> bool:
    """Return True if a name is a known value, or a layer or loss defined in the module it names."""
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
