"""The house's laws on syntax: how long a function is, what is raised, and how tests expect it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.test_architecture import FILES, TESTS, name_of

MOST_FUNCTION_LINES = 50
MOST_LETTERS = 80
"""Of the name of a test."""


def nodes_of(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def length_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


@cache
def broken_laws() -> list[tuple[str, str]]:
    """Return law and place of what breaks a law on the program's syntax: each file is parsed once and not kept."""
    return [
        (law, f"{name_of(path)}:{line}") for path in FILES for node in nodes_of(path) for law, line in laws_of(node)
    ]


def laws_of(node: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield law and line of what breaks a law on a node."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and length_of(node) > MOST_FUNCTION_LINES:
        yield "length", node.lineno
    if isinstance(node, ast.Assert):
        yield "assert", node.lineno
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and has_line_break(node.exc):
        yield "line break", node.lineno


def has_line_break(raised: ast.Call) -> bool:
    texts = (part.value for part in ast.walk(raised) if isinstance(part, ast.Constant))
    return any(isinstance(text, str) and "\n" in text for text in texts)


def breaking(law: str) -> list[str]:
    return [place for broken, place in broken_laws() if broken == law]


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("def f():\n" + "    x\n" * 50, "length"),
        ("async def f():\n" + "    x\n" * 50, "length"),
        ("assert x", "assert"),
        ('raise E(f"{x}\\n")', "line break"),
        ("def f():\n" + "    x\n" * 49, ""),
        ('raise E(f"{x}")', ""),
    ],
)
def test_what_breaks_a_law_is_found(text: str, law: str) -> None:
    assert [found for node in ast.walk(ast.parse(text)) for found, _ in laws_of(node)] == [law] * bool(law)


@pytest.mark.slow
def test_a_function_fits_on_a_page() -> None:
    assert breaking("length") == []


def test_the_program_never_asserts() -> None:
    assert breaking("assert") == []


def wordless(path: Path) -> list[str]:
    """Return the expected errors without a message, but for exceptions that a test file makes for itself."""
    nodes = list(nodes_of(path))
    own = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    raising = [call for call in calls if isinstance(call.func, ast.Attribute) and names_raises(call.func)]
    without = [call for call in raising if "match" not in {keyword.arg for keyword in call.keywords}]
    return [f"{name_of(path)}:{call.lineno}" for call in without if ast.unparse(call.args[0]) not in own]


def names_raises(function: ast.Attribute) -> bool:
    return function.attr == "raises" and isinstance(function.value, ast.Name) and function.value.id == "pytest"


@pytest.mark.slow
def test_every_expected_error_has_a_message() -> None:
    assert [place for path in TESTS for place in wordless(path)] == []


@pytest.mark.slow
def test_the_name_of_a_test_is_short() -> None:
    tests = (node for path in TESTS for node in nodes_of(path) if isinstance(node, ast.FunctionDef))
    assert [node.name for node in tests if node.name.startswith("test_") and len(node.name) > MOST_LETTERS] == []


def test_the_lines_of_an_error_are_its_arguments() -> None:
    """A line break inside an argument is shown as an escape, since it may come from the name of a file."""
    assert breaking("line break") == []
