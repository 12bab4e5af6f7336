"""State file of an interrupted training: tensors and plain values, so that reading it runs no code.

Ultralytics' own checkpoint keeps half precision, no random state, and is a pickle of its classes
(docs/decisions/0005). The content of a state and its restoring are in resume.py.
"""

import pickle
import struct
import zipfile
import zlib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from automl.storage.outage import TRANSIENT
from automl.study.errors import TrialError
from automl.trainers.yolo.out_of_memory import ran_out
from automl.trainers.yolo.vendor import trusted, ultralytics

FORMAT: Final = 1
KEYS: Final = frozenset({
    "format", "epoch", "attempt", "batch", "model", "ema", "updates", "optimizer", "scaler", "best_fitness", "stopper",
    "criterion", "random", "loader", "buffer", "last_step", "gradients", "structure",
})  # fmt: skip
UNREADABLE: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError,
    TypeError, LookupError, AttributeError,
)  # fmt: skip
"""Exceptions of the zip and pickle readers for damaged bytes."""


def damage(path: Path) -> str:
    """Return the error of a torch file by the checksums inside it, empty when they match."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
    except UNREADABLE as error:
        if _passes(error):
            raise
        return str(error) or type(error).__name__
    return f"{broken} does not match its checksum" if broken else ""


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a state."""
    import torch

    torch.save({"format": FORMAT, **state}, path)


def load(path: Path) -> dict[str, Any]:
    """Read a state, onto the CPU.

    Raises:
        TrialError: the file is damaged, of another format, or none of ours.
    """
    state = _content(path)
    if state.get("format") != FORMAT or not state.keys() >= KEYS:
        raise TrialError(f"{path}: must be a training state of format {FORMAT}, but contains {_shown(state)}")
    return state


def take(path: Path) -> dict[str, Any]:
    """Read a state that its caller may change, and forget what was read before.

    Raises:
        TrialError: as `load`.
    """
    state = load(path)
    _READ.clear()
    return state


def epochs_done(path: Path) -> int:
    """Return the number of epochs of a saved state; 0 for the stripped weights of a finished training.

    Raises:
        TrialError: the file is damaged, of another format, or neither.
    """
    content = _content(path)
    return 0 if "format" not in content and content.get("epoch") == -1 else int(load(path)["epoch"])


def write_weights(state: Path, target: Path) -> None:
    """Write the averaged weights of a state as Ultralytics writes stripped weights."""
    vendor = ultralytics()
    import torch

    kept = load(state)
    made = kept["structure"]
    model = _built(made)
    model.load_state_dict(kept["ema"])
    model.names, model.args, model.task = made["names"], made["args"], "detect"
    for parameter in model.parameters():
        parameter.requires_grad = False
    torch.save(
        {"epoch": -1, "model": model.half(), "ema": None, "train_args": made["args"], "version": vendor.__version__},
        target,
    )


def class_width(model: Any) -> int:  # noqa: ANN401
    """Return the width of the classification branch of a detector's head; 0 where it has none of that name."""
    branch = getattr(model.model[-1], "cv3", None)
    return int(branch[0][-1].in_channels) if branch is not None else 0


def _built(made: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Build a model of the same layers.

    One that was trained from weights of more classes kept the width of their class branch, which its YAML does not
    contain. Ultralytics makes that when it loads such weights, so some of that width are loaded.
    """
    from ultralytics.nn import tasks

    def of(classes: int) -> Any:  # noqa: ANN401
        kind = getattr(tasks, made["class"])
        return kind(deepcopy(made["yaml"]), ch=made["channels"], nc=classes, verbose=False)

    model = of(made["classes"])
    if class_width(model) != made["class_width"]:
        model.load(of(made["class_width"]), verbose=False)
    return model


_READ: Final[dict[tuple[str, int, int, int], dict[str, Any]]] = {}
"""The file that was read last, by path, inode, time and size: a resumed training asks up to six times for one file."""


def _content(path: Path) -> dict[str, Any]:
    """Return the content of a file of ours or of Ultralytics; the one that was read last is not read again."""
    try:
        status = path.stat()
    except OSError as error:
        if _passes(error):
            raise
        raise TrialError(f"{path}: cannot be read as a checkpoint: {error}") from error
    key = str(path), status.st_ino, status.st_mtime_ns, status.st_size
    if key not in _READ:
        _READ.clear()
        _READ[key] = _read(path)
    return _READ[key]


def _read(path: Path) -> dict[str, Any]:
    ultralytics()
    import torch
    from ultralytics.nn.tasks import torch_safe_load

    if reason := damage(path):
        raise TrialError(f"{path}: cannot be read as a checkpoint: {reason}")
    try:
        if torch.serialization.get_unsafe_globals_in_checkpoint(path):  # Ultralytics' files name their classes
            content, _ = torch_safe_load(path, safe_only=not trusted())
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        if _passes(error):
            raise
        raise TrialError(f"{path}: cannot be read as a checkpoint: {error}") from error
    return content if isinstance(content, dict) else {}


def _passes(error: Exception) -> bool:
    """Return True if a read error is not damage: the storage is unavailable, or memory ran out."""
    return (isinstance(error, OSError) and error.errno in TRANSIENT) or ran_out(error)


def _shown(content: Mapping[str, Any]) -> str:
    if "format" in content:
        missing = sorted(KEYS - content.keys())
        return f"format {content['format']}" + (f" without {', '.join(missing)}" if missing else "")
    return "Ultralytics' own" if "model" in content else "something else"
