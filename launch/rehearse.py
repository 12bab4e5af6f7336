"""Runs the Dockerfile's steps in order in a fresh virtual environment, where there is no container engine.

    python3.11 launch/rehearse.py FOLDER    # new, short-lived, with room for 8 GB
    python3.11 launch/rehearse.py --list    # only print which steps would run and which are left out

Steps that it cannot run are printed as left out: the base image, apt-get, the user.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TREE: Final = Path(__file__).resolve().parents[1]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each instruction and its arguments, lines joined and comments removed."""
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in re.sub(r"\\\n\s*", "", code).splitlines():
        if line.strip():
            word, _, arguments = line.partition(" ")
            yield word, arguments.strip()


def possible(word: str, arguments: str) -> bool:
    """Return True if an instruction can run without a container engine."""
    return word in {"ARG", "ENV", "COPY"} or (word == "RUN" and not arguments.startswith("apt-get"))


def kept_out(tree: Path) -> tuple[str, ...]:
    """Return the patterns of .dockerignore by name alone, which is enough for the names in it."""
    lines = (tree / ".dockerignore").read_text().splitlines()
    return tuple(line.removeprefix("**/") for line in lines if line and not line.startswith("#"))


def copy(arguments: str, target: Path) -> None:
    """Copy like COPY: files by name, or the tree without the patterns of .dockerignore."""
    top = shutil.ignore_patterns(*kept_out(TREE))
    deep = shutil.ignore_patterns("__pycache__", "*.egg-info")

    def ignore(at: str, names: list[str]) -> set[str]:
        return (top if at == str(TREE) else deep)(at, names)

    for source in arguments.split()[:-1]:
        if source == ".":
            shutil.copytree(TREE, target, ignore=ignore, dirs_exist_ok=True)
        else:
            shutil.copy(TREE / source, target)


def rehearse(folder: Path, *, dry: bool) -> None:
    """Print and, unless dry, run each step; the first failure raises."""
    app, scratch = folder / "app", folder / "tmp"
    environment = dict(os.environ) | {"PATH": f"{folder / 'venv' / 'bin'}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    if not dry:
        app.mkdir(parents=True)
        scratch.mkdir()
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    for word, arguments in instructions((TREE / "Dockerfile").read_text()):
        print("runs    " if possible(word, arguments) else "left out", word, arguments, flush=True)  # noqa: T201
        if dry or not possible(word, arguments):
            continue
        if word in {"ARG", "ENV"}:
            environment |= dict(pair.split("=", 1) for pair in shlex.split(arguments))
        elif word == "COPY":
            copy(arguments, app)
        else:
            command = arguments.replace("/tmp/", f"{scratch}/")
            subprocess.run(["/bin/sh", "-ec", command], cwd=app, env=environment, check=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rehearse(Path(sys.argv[1]).resolve(), dry=sys.argv[1] == "--list")
