"""Law of arguments: a function that needs one or two fields of a record of the whole study takes those fields."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
RECORDS = {"Session", "RunContext", "StudySpec"}
MOST_SPARE = 2
"""So many fields, or fewer, are arguments of their own."""


def record_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Yield the names of the parameters that are records of the whole study."""
    for part in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
        if part.annotation is not None and ast.unparse(part.annotation) in RECORDS:
            yield part.arg


def fields_read(function: ast.AST, name: str) -> set[str] | None:
    """Return the fields of a parameter that a function reads; None if it hands the record on or calls a method."""
    parents = {child: node for node in ast.walk(function) for child in ast.iter_child_nodes(node)}
    found: set[str] = set()
    for node in ast.walk(function):
        if not (isinstance(node, ast.Name) and node.id == name):
            continue
        field = parents[node]
        called = parents.get(field)
        if not isinstance(field, ast.Attribute) or (isinstance(called, ast.Call) and called.func is field):
            return None
        found.add(field.attr)
    return found


def narrow(source: str) -> list[str]:
    """Return the functions of a source that take a record for a field or two."""
    if not any(record in source for record in RECORDS):
        return []
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    read = [(one.name, fields_read(one, name)) for one in functions for name in record_arguments(one)]
    return [name for name, fields in read if fields and len(fields) <= MOST_SPARE]


def test_a_function_takes_the_fields_that_it_uses() -> None:
    files = sorted((ROOT / "automl").rglob("*.py"))
    found = {path.relative_to(ROOT).as_posix(): narrow(path.read_text(encoding="utf-8")) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def test_the_law_tells_what_a_function_uses() -> None:
    source = "def one(spec: StudySpec): return spec.metric\n"
    source += "def three(spec: StudySpec): return spec.metric, spec.seed, spec.model\n"
    source += "def whole(spec: StudySpec): return other(spec)\ndef method(spec: StudySpec): return spec.cost()\n"
    assert narrow(source) == ["one"]
