"""Pydantic's errors as messages of the form `key: law, but got value`: one line a key, the nearest known key named."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from automl.study.space_spec import ALTERNATIVES, ChoiceSpec, RangeSpec
from automl.study.spec import NAMED, StudySpec
from automl.study.spec_parts import ObjectiveSpec

LAWS: Final = {
    "extra_forbidden": "is not a known key",
    "missing": "must be given",
    "string_pattern_mismatch": "must be 1 to 64 letters, digits, '.', '_' or '-', the first a letter or a digit",
    "model_type": "must contain `key: value` lines",
    "dict_type": "must contain `key: value` lines",
    "list_type": "must be a list",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "too_short": "must have at least 1 item",
    "invalid_key": "must have keys that are text",
}
BARE: Final = frozenset({"extra_forbidden", "missing"})
SHAPES: Final[dict[str, type[BaseModel]]] = {
    "RangeSpec": RangeSpec, "ChoiceSpec": ChoiceSpec, "ObjectiveSpec": ObjectiveSpec,
}  # fmt: skip
TAGS: Final = frozenset({*SHAPES, ALTERNATIVES, NAMED})
"""Parts of a pydantic location that name the matched variant of a parameter or of the objective."""
BRANCHES: Final = frozenset({"float", "int", "str", "bool", "literal['auto']", "constrained-float", "constrained-int"})
"""Suffixes of a pydantic location that name the attempted type of a value."""
LONGEST: Final = 80


MOST_HINTS: Final = 100
"""Unknown keys that get a hint: looking for a near name takes a moment each."""


PARAMETER: Final = (
    "must be a range, such as {low: 0.0, high: 1.0, default: 0.5}, or choices, such as {choices: [8, 16], default: 8}"
)


def readable(error: ValidationError, setting_hints: Callable[[], Mapping[str, str]] = dict) -> Iterator[str]:
    """Convert pydantic's errors to lines; all failed variants of one value make one line.

    `setting_hints` returns a hint for each name that is a setting of the trainer; it is asked for unknown keys only.
    """
    found: dict[str, list[str]] = {}
    got: dict[str, str] = {}
    for number, finding in enumerate(error.errors(include_url=False)):
        location = _trimmed(finding["loc"])
        key = ".".join(named(part) for part in location if part not in TAGS)
        law = LAWS.get(finding["type"]) or re.sub(r"^(Input|\w+) should", "must", finding["msg"])
        if finding["type"] == "model_type" and location[:1] == ("space",) and len(location) > 1:
            law = f"{PARAMETER}; a fixed value is train.{named(location[1])}"
        if finding["type"] == "extra_forbidden" and number < MOST_HINTS:
            law += _hint(location, setting_hints)
        found.setdefault(key, []).append("must have keys that are text" if "[key]" in finding["loc"] else law)
        got[key] = "" if finding["type"] in BARE else f", but got {shown(finding['input'])}"
    for key, laws in found.items():
        yield f"{key}: {_joined(laws)}{got[key]}"


def elsewhere(name: str) -> str:
    """Return a hint at the keys of that name in other parts of a description, empty if there are none.

    >>> elsewhere("trials")
    '; did you mean budget.trials?'
    """
    inner = {part: field.annotation for part, field in StudySpec.model_fields.items()}
    keys = [name] if name in inner else []
    keys += [f"{part}.{name}" for part, kind in inner.items() if name in _fields_of(kind)]
    return f"; did you mean {' or '.join(keys)}?" if keys else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that was probably meant, empty if there is none."""
    close = difflib.get_close_matches(name, list(known), n=1) if len(name) <= LONGEST else []
    return f"; did you mean {close[0]}?" if close else ""


def shown(value: object) -> str:
    """Return a value as an error message shows it: never longer than a line, and made no further than that.

    >>> shown("x" * 100)[-8:]
    'xxxx ...'
    """
    text = ""
    try:
        for piece in _pieces(value):
            text += piece
            if len(text) > LONGEST:
                return f"{text[:LONGEST]} ..."
    except ValueError:  # Python refuses to print a whole number of more than 4300 digits
        return "a number of thousands of digits"
    return text


def named(key: object) -> str:
    """Return a key of a description as an error message names it.

    >>> named("x" * 100)[-8:]
    'xxxx ...'
    """
    text = str(key)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _pieces(value: object) -> Iterator[str]:
    """Yield the parts of a value's `repr`, as many as a caller asks for."""
    if isinstance(value, dict):
        yield "{"
        for number, (key, held) in enumerate(value.items()):
            yield ", " if number else ""
            yield from _pieces(key)
            yield ": "
            yield from _pieces(held)
        yield "}"
    elif isinstance(value, list | tuple | set | frozenset) and value:
        ends = {list: "[]", set: "{}"}.get(type(value), ("(", ",)" if len(value) == 1 else ")"))
        yield ends[0]
        for number, held in enumerate(value):
            yield ", " if number else ""
            yield from _pieces(held)
        yield ends[1]
    else:
        yield repr(value[: LONGEST + 1] if isinstance(value, str | bytes) else value)


def _joined(laws: Sequence[str]) -> str:
    first, *others = dict.fromkeys(laws)
    return " or ".join([first, *(other.removeprefix("must be ") for other in others)])


def _trimmed(location: tuple[Any, ...]) -> tuple[Any, ...]:
    return location[:-1] if len(location) > 1 and location[-1] in BRANCHES | {"[key]"} else location


def _keys_at(location: tuple[int | str, ...]) -> list[str]:
    """Return the known keys of the part of the description that an error refers to."""
    if not location:
        return list(StudySpec.model_fields)
    if ALTERNATIVES in location:
        return list(RangeSpec.model_fields)
    if str(location[-1]) in SHAPES:
        return list(SHAPES[str(location[-1])].model_fields)
    owner = StudySpec.model_fields.get(str(location[0]))
    return _fields_of(owner.annotation if owner else None)


def _fields_of(kind: object) -> list[str]:
    return list(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


def _hint(location: Sequence[int | str], setting_hints: Callable[[], Mapping[str, str]]) -> str:
    """Return the likely intended key for an unknown one: the same name elsewhere, else a similar name here."""
    name = str(location[-1])
    near = nearest(name, _keys_at(tuple(location[:-1])))
    if location[0] == "space":  # a parameter's keys have no counterpart elsewhere
        return near
    return elsewhere(name) or setting_hints().get(name, "") or near
