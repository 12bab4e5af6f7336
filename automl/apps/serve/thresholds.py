"""Thresholds of detection: which boxes of a model's output count, by the version's record and the request's query."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from automl.apps.serve.refusal import RequestError
from automl.study.errors import RegistryError

MOST_BOXES: Final = 3000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Conditions for a box; the defaults are the trainer's own where neither record nor query sets a value."""

    conf: float = 0.25
    """Minimum confidence of a box, exclusive."""
    iou: float = 0.7
    """IoU threshold of non-maximum suppression."""
    max_det: int = 300
    """The most boxes of an image."""
    agnostic_nms: bool = False
    """Suppress boxes across classes."""
    classes: tuple[int, ...] | None = None
    """The classes that count; None: all."""


def recorded(record: bytes | None, path: Path) -> Thresholds:
    """Return the thresholds in a version's evaluation record; the defaults where it has none.

    Args:
        record: The content of the record's file.
        path: The file, for the message.

    Raises:
        RegistryError: the record cannot be read.
    """
    if record is None:
        return Thresholds()
    try:
        values = json.loads(record)
        given = {key: values[key] for key in ("conf", "iou", "max_det", "agnostic_nms") if values.get(key) is not None}
        if values.get("threshold") is not None:
            given["conf"] = values["threshold"]
        classes = None if values.get("classes") is None else tuple(int(number) for number in values["classes"])
        return replace(Thresholds(), **given, classes=classes)
    except (ValueError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"{path}: must be the evaluation record of the version, but {error}; restore it from a copy"
        ) from None


def from_query(query: Iterable[tuple[str, str]], defaults: Thresholds) -> Thresholds:
    """Parse the thresholds of a query; `confidence` is `conf`.

    >>> from_query([("conf", "0.5"), ("max_det", "10")], Thresholds())
    Thresholds(conf=0.5, iou=0.7, max_det=10, agnostic_nms=False, classes=None)

    Raises:
        RequestError: a key is unknown or given twice, or its value is out of range.
    """
    found: dict[str, Any] = {}
    for key, text in query:
        name = "conf" if key == "confidence" else key
        if name not in READERS:
            raise RequestError(422, f"query: the keys are conf, iou and max_det, but got {key[:100]!r}")
        if name in found:
            raise RequestError(422, f"query: {name} must be given once, but was given twice")
        found[name] = READERS[name](key, text)
    return replace(defaults, **found)


def _share(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise RequestError(422, f"query: 0 <= {key} <= 1 must hold, but got {text[:100]!r}")
    return value


def _count(key: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= MOST_BOXES):
        raise RequestError(422, f"query: {key} must be a whole number, 1 to {MOST_BOXES}, but got {text[:100]!r}")
    return int(text)


READERS: Final[Mapping[str, Callable[[str, str], float | int]]] = {"conf": _share, "iou": _share, "max_det": _count}
