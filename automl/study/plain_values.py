"""Records as plain values: what `json.dumps` takes, from dataclasses, enums, paths and tuples."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import Any, Final

TEXT_ONLY: Final = {"text_only": True}
"""Metadata of a dataclass field with rendered text for the terminal: excluded from the plain values."""


def plain(value: Any) -> Any:  # noqa: ANN401
    """Return a record as plain values for JSON; a number that is not finite becomes None.

    >>> plain({"folder": Path("runs/a"), 3: (1, float("inf"))})
    {'folder': 'runs/a', '3': [1, None]}
    """
    if is_dataclass(value) and not isinstance(value, type):
        shown = [field.name for field in fields(value) if not field.metadata.get("text_only")]
        return {name: plain(getattr(value, name)) for name in shown}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    return value if not isinstance(value, float) or isfinite(value) else None
