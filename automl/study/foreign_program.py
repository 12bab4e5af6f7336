"""Search spaces in Python programs and notebooks, found in their syntax tree. Nothing is executed."""

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

SPACES: Final = frozenset({"space", "param_space", "search_space", "config", "parameters"})
"""Names of the dictionary of searched parameters in programs for Ultralytics' tuner, Ray Tune and others."""
SUGGESTIONS: Final = frozenset({"suggest_float", "suggest_int", "suggest_categorical", "suggest_loguniform",
                                "suggest_uniform"})  # fmt: skip
"""Optuna's calls that name a parameter and its range."""


def tree_of(text: str, *, notebook: bool) -> ast.AST:
    """Parse a program, or the code cells of a notebook; commands of a shell and of IPython are left out.

    Raises:
        SyntaxError, ValueError, TypeError, KeyError: it is not one.
    """
    if not notebook:
        return ast.parse(text)
    cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in "".join(cell).splitlines()]
    return ast.parse("\n".join(line for line in lines if not line.lstrip().startswith(("!", "%"))))


def spaces_in(tree: ast.AST) -> Iterator[dict[str, Any]]:
    """Yield each dictionary that a program uses as a search space, its values as expressions or constants."""
    known = {name: value for name, value in _assigned(tree) if _entries(value, {})}
    for name, value in known.items():
        if name in SPACES:
            yield _entries(value, known) | _added(tree, name)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        for keyword in call.keywords:
            if keyword.arg in SPACES:
                named = keyword.value.id if isinstance(keyword.value, ast.Name) else ""
                yield _entries(known.get(named, keyword.value), known) | _added(tree, named)
    if suggested := _suggested(tree):
        yield suggested


def _assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names to which a program assigns, each with its value."""
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = getattr(node, "value", None)
        yield from ((target.id, value) for target in targets if isinstance(target, ast.Name) and value is not None)


def _entries(value: ast.expr, known: Mapping[str, ast.expr]) -> dict[str, Any]:
    """Return the entries of `{...}` or `dict(...)`, those of a dictionary that it includes by its name as well."""
    found: dict[str, Any] = {}
    if isinstance(value, ast.Dict):
        for key, inner in zip(value.keys, value.values, strict=True):
            if key is None and isinstance(inner, ast.Name) and inner.id in known:
                found |= _entries(known[inner.id], {})
            elif isinstance(key, ast.Constant) and isinstance(key.value, str):
                found[key.value] = ast.unparse(inner)
    elif isinstance(value, ast.Call) and getattr(value.func, "id", "") == "dict":
        found |= {keyword.arg: ast.unparse(keyword.value) for keyword in value.keywords if keyword.arg}
    return found


def _added(tree: ast.AST, name: str) -> dict[str, Any]:
    """Return the entries that are added to a dictionary one by one: `space["lr0"] = ...`."""
    return {
        target.slice.value: ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Subscript) and getattr(target.value, "id", None) == name and name
        if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str)
    }


def _suggested(tree: ast.AST) -> dict[str, Any]:
    """Return the parameters that an objective function of Optuna asks for."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return {
        call.args[0].value: ast.unparse(call)
        for call in calls
        if call.func.attr in SUGGESTIONS and call.args  # type: ignore[attr-defined]
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }
