"""Records as plain values: what `json.dumps` takes, from dataclasses, enums, paths and tuples."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar, get_origin

Record = TypeVar("Record")

SIMPLE: Final = MappingProxyType({int: (int,), float: (int, float), str: (str,), bool: (bool,), Path: (Path,)})
"""Types of fields that `well_typed` checks, and what is accepted for each."""
NUMBERS: Final = frozenset({int, float})
NUMERIC: Final = (SIMPLE[int], SIMPLE[float])
LONGEST: Final = 200
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


def well_typed(record: Record) -> Record:
    """Return a dataclass instance that was built from a file, after checking the types of its plain fields.

    Numbers must be finite, and a bool is no number.

    Raises:
        TypeError: a field has a value of another type.
    """
    for field in fields(record):  # type: ignore[arg-type]
        value: Any = getattr(record, field.name)
        wanted = Mapping if get_origin(field.type) is Mapping else SIMPLE.get(field.type)  # type: ignore[arg-type]
        if wanted is None:
            continue
        fits = isinstance(value, wanted)
        if wanted in NUMERIC:
            fits = type(value) in NUMBERS and fits and isfinite(value)
        if not fits:
            raise TypeError(f"{field.name} must be {field.type}, but is {value!r}"[:LONGEST])
    return record
