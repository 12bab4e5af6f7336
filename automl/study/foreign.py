"""Descriptions of other tools given as SPEC: detect the tool and translate its search space. Nothing is executed."""

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.study import foreign_program, text_file
from automl.study.messages import named, shown

OWN: Final = frozenset({"name", "budget", "ladder", "space"})
"""Keys of a description of this program; one of them is enough to recognise it."""
PROGRAMS: Final = {".py": "Python", ".ipynb": "notebook"}
"""Suffix of a program to its kind."""
PAIR: Final = 2
LONGEST: Final = 1000
"""Letters of an expression that is looked at, and of a translation that is shown."""
UNFIT: Final = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError,
)  # fmt: skip
"""What a value raises that only resembles a range or a choice of another tool, such as `{min: a, max: b}`."""
WIDE: Final = 100
"""A range whose ends differ by this factor is searched on a logarithmic scale."""
BEGIN: Final = "copy a shipped space, such as search_spaces/yolo_small.yaml, and insert"


def program_mistakes(path: Path, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a Python program given as a description is, and its search space in the syntax of a description."""
    if path.suffix not in PROGRAMS or not path.is_file():
        return
    kind = PROGRAMS[path.suffix]
    try:
        text = text_file.read_bytes(path).decode("utf-8", errors="replace")
        spaces = foreign_program.spaces_in(foreign_program.tree_of(text, notebook=path.suffix == ".ipynb"))
        found = max((_readings(one, known) for one in spaces), key=_searched, default=_Readings({}, {}, {}))
    except (*UNFIT, OSError):
        yield f"{path}: must be a description in YAML, but is a {kind} file"
        return
    what = f"{path}: must be a description in YAML, but is a {kind} program, which is not run"
    yield from _with_suggestion(what, found)


def file_mistakes(path: Path, raw: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a YAML file of another kind is, and its search space in the syntax of a description."""
    if kind := _other_kind(raw):
        yield f"{path}: must be the description of a study, but is {kind}"
        return
    if OWN & raw.keys():
        return
    parameters = raw.get("parameters")
    found = _readings(parameters if isinstance(parameters, dict) else raw, known)
    if found.searched:
        what = f"{path}: must be the description of a study, but is a search space of another tool"
        yield from _with_suggestion(what, found)
    elif found.fixed.keys() & known.keys() and len(found.fixed.keys() & known.keys()) * 2 > len(raw):
        yield (
            f"{path}: must be the description of a study, but contains settings of Ultralytics (as args.yaml and "
            "best_hyperparameters.yaml do); put fixed settings under `train:`, searched ones under `space:`"
        )


def space_mistakes(raw: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[str]:
    """Yield the translation of each parameter in `space` that has the syntax of another tool."""
    space = raw.get("space")
    for name, value in space.items() if isinstance(space, dict) else ():
        if reading := _reading(name, value, known):
            yield f"space.{named(name)}: must be written as {_flow(reading)}, but got {shown(value)}"


def _other_kind(raw: Mapping[str, Any]) -> str:
    """Return the kind of a file that describes a data set or a model; empty for any other."""
    if raw.keys() & {"names", "nc"} and raw.keys() & {"train", "val", "path"} and not raw.keys() >= OWN:
        return "that of a data set; pass it with --data"
    if {"backbone", "head"} <= raw.keys():
        return "that of a model; pass it with --model"
    return ""


@dataclass(frozen=True, slots=True)
class _Readings:
    """Parameters of another tool."""

    searched: dict[str, Any]
    """Name to its translation."""
    fixed: dict[str, Any]
    """Name to its value."""
    left: dict[str, Any]
    """What could not be translated, as it was written."""


def _readings(raw: Mapping[Any, Any], known: Mapping[str, Any]) -> _Readings:
    found = _Readings({}, {}, {})
    for name, value in raw.items():
        given = value["value"] if isinstance(value, dict) and value.keys() == {"value"} else value
        if reading := _reading(name, given, known):
            found.searched[str(name)] = reading
        elif isinstance(constant := _constant(given), bool | int | float | str):
            found.fixed[str(name)] = constant
        elif given is not None:
            found.left[str(name)] = given
    return found


def _searched(found: _Readings) -> int:
    return len(found.searched)


def _reading(name: object, value: object, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the translation of one parameter of another tool; None for a fixed value or native syntax."""
    try:
        return _translated(name, value, known)
    except UNFIT:
        return None


def _translated(name: object, value: object, known: Mapping[str, Any]) -> dict[str, Any] | None:
    if isinstance(value, dict) and {"min", "max"} <= value.keys():
        return _range(name, [value["min"], value["max"]], known)
    if isinstance(value, dict) and isinstance(value.get("values"), list):
        return _choices(name, value["values"], known)
    if isinstance(value, list):
        return _of_list(name, value, known)
    return _of_text(name, value, known) if isinstance(value, str) and len(value) <= LONGEST else None


def _of_text(name: object, value: str, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parse a Python expression, such as `(1e-5, 1e-1)` or `tune.uniform(0, 1)`."""
    node = ast.parse(value, mode="eval").body
    if isinstance(node, ast.Call):
        return _of_call(name, node, known)
    return _of_list(name, ast.literal_eval(node), known) if isinstance(node, ast.Tuple | ast.List) else None


def _of_list(name: object, values: Sequence[Any], known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parse Ultralytics' `(low, high)` and `(low, high, gain)`, and a bare list of values."""
    if len(values) < PAIR or any(isinstance(value, dict | list) for value in values):
        return None
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers and len(values) in {PAIR, PAIR + 1} and values[0] < values[1]:
        return _range(name, values[:PAIR], known)
    return _choices(name, values, known)


def _of_call(name: object, node: ast.Call, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parse a distribution of Ray Tune, such as `tune.uniform(1e-5, 1e-1)`."""
    kind = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    values = [ast.literal_eval(argument) for argument in given]
    if kind.startswith("suggest_"):
        return _of_suggestion(name, kind, node, known)
    if kind in {"choice", "grid_search"}:
        return _choices(name, values[0], known)
    if kind in {"uniform", "quniform", "loguniform", "qloguniform"}:
        return _range(name, values[:PAIR], known, log="log" in kind)
    if kind in {"randint", "qrandint", "lograndint", "qlograndint"}:
        last = values[1] if kind.startswith("q") else values[1] - 1  # Ray leaves out the upper end of the others
        return _whole(_range(name, [values[0], last], known, log="log" in kind))
    return None


def _of_suggestion(name: object, kind: str, node: ast.Call, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parse a call of Optuna, such as `trial.suggest_float("lr0", 1e-5, 1e-1, log=True)`."""
    options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
    positional = [ast.literal_eval(argument) for argument in node.args[1:]]
    if kind == "suggest_categorical":
        return _choices(name, options.get("choices", positional[0] if positional else ()), known)
    low, high = (*positional, *(options[end] for end in ("low", "high") if end in options))[:PAIR]
    log = bool(options.get("log")) or kind == "suggest_loguniform"
    found = _range(name, [low, high], known, log=log)
    return _whole(found) if kind == "suggest_int" else found


def _whole(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return a range of whole numbers."""
    return {**found, "default": int(found["default"]), "type": "int"}


def _range(name: object, ends: Sequence[float], known: Mapping[str, Any], *, log: bool | None = None) -> dict[str, Any]:
    low, high = ends
    default = known.get(str(name))
    usual = default if isinstance(default, int | float) and not isinstance(default, bool) else (low + high) / 2
    wide = log if log is not None else low > 0 and high / low >= WIDE
    return {"low": low, "high": high, "default": min(max(usual, low), high)} | ({"log": True} if wide else {})


def _choices(name: object, values: Sequence[Any], known: Mapping[str, Any]) -> dict[str, Any]:
    default = known.get(str(name))
    return {"choices": list(values), "default": default if default in values else values[0]}


def _constant(value: object) -> Any:  # noqa: ANN401
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value) if len(value) <= LONGEST else None
    except UNFIT:
        return None


def _with_suggestion(what: str, found: _Readings) -> Iterator[str]:
    """Yield a mistake, and below it a search space in the syntax of a description, line by line."""
    if not found.searched:
        yield what
        return
    yield f"{what}; its search space in the syntax of this program: {BEGIN}"
    yield "  space:"
    yield from (f"    {named(name)}: {_flow(reading)}" for name, reading in found.searched.items())
    if found.fixed:
        yield f"  train: {_flow(found.fixed)}"
    for name, value in found.left.items():
        yield f"  # not translated: {named(name)}: {shown(value)}"


def _flow(value: Mapping[str, Any]) -> str:
    """Return a mapping in YAML flow style."""
    text = "{" + ", ".join(f"{name}: {json.dumps(held, default=str)}" for name, held in value.items()) + "}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
