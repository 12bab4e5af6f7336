"""Commands that messages and documents name: verb and options exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer

from automl.apps.cli import app

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = re.compile(r"(?<![\w./-])automl ([a-z][a-z-]*)((?: (?!or |and )[^\s`;|]+)*)")
OPTION: Final = re.compile(r"(?<=\s)--[a-z][a-z-]*")
"""An option, at the start of a word."""


def commands(text: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield verb and options of each command in a text, up to a quote, a semicolon or the word `or`.

    >>> list(commands("draw again: automl import x OUT --split 70,15,15; or `automl nix`"))
    [('import', frozenset({'--split'})), ('nix', frozenset())]
    """
    for found in COMMAND.finditer(text):
        yield found[1], frozenset(OPTION.findall(found[2]))


def texts_of(path: Path) -> Iterator[str]:
    """Yield the texts of a file of the program, a formatted value as `X`; the code in a document."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from re.findall(r"`([^`\n]+)`", source)
        for block in re.findall(r"^```(?:bash)?\n(.*?)^```", source, re.MULTILINE | re.DOTALL):
            yield from (line.partition("#")[0] for line in block.splitlines())
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _files() -> list[Path]:
    documents = [ROOT / "README.md", ROOT / "launch" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [*sorted((ROOT / "automl").rglob("*.py")), *documents]


@pytest.mark.slow
def test_every_command_that_a_message_or_a_document_names_exists() -> None:
    verbs: Any = typer.main.get_command(app)
    known = {name: {option for one in verb.params for option in one.opts} for name, verb in verbs.commands.items()}
    seen, wrong = 0, []
    for path in _files():
        for text in texts_of(path):
            for verb, options in commands(text):
                seen += verb in known
                where = f"{path.relative_to(ROOT)}: automl {verb}"
                wrong += [f"{where} {option}" for option in sorted(options - known.get(verb, options) - {"--help"})]
                wrong += [where] if verb not in known and (path.suffix == ".md" or f"`automl {verb}" in text) else []
    assert seen > 100
    assert not wrong, "\n".join(wrong)
