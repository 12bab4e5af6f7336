"""Output of verbs: records as text or JSON on standard output, errors as one message and exit code 2."""

import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console

from automl.study.errors import AutomlError, Interrupted, StudyError
from automl.study.plain_values import plain
from automl.study.text import View, printable
from automl.tracking.table import drawn

USER_ERROR: Final = 2
UNBOUNDED: Final = 10_000
"""Width of an output that is not a terminal, in columns."""


def readable(command: Callable[..., None]) -> Callable[..., None]:
    """Convert user errors to one message and exit code 2, and a graceful stop to exit code 130."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        try:
            command(*args, **kwargs)
        except AutomlError as error:
            print(f"automl: {printable(str(error))}", file=sys.stderr)
            raise typer.Exit(USER_ERROR) from None
        except OSError as error:  # of the environment: a disk, a mount, permissions, a network
            print(f"automl: {error_line(error)}; fix the cause and run the command again", file=sys.stderr)
            raise typer.Exit(USER_ERROR) from None
        except (KeyboardInterrupt, Interrupted):
            print("automl: stopped; nothing is lost", file=sys.stderr)
            raise typer.Exit(128 + signal.SIGINT) from None

    return wrapped


def error_line(error: OSError) -> str:
    """Return an operating system's error in one line: the path and the reason.

    >>> error_line(OSError(28, "No space left on device", "/data/x")), error_line(OSError("no route"))
    ('/data/x: No space left on device', 'no route')
    """
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else "storage"
    line = f"{where}: {error.strerror}" if error.strerror else " ".join(str(error).split()) or type(error).__name__
    return printable(line)


def print_json(record: object) -> None:
    """Print a record as one JSON document."""
    print(json.dumps(plain(record), indent=2, ensure_ascii=False, allow_nan=False))


def print_table(view: View) -> None:
    """Print a table: on a terminal the columns that fit, else all at full width."""
    console = Console()
    width = console.width if console.is_terminal else None
    if width is None:
        console.width = UNBOUNDED
    console.print(drawn(view, width=width), soft_wrap=False)


def refuse_existing(path: Path, *, force: bool) -> None:
    """Check that an output file does not exist, or may be replaced.

    Raises:
        StudyError: it exists.
    """
    if path.exists() and not force:
        raise StudyError(f"{path}: must be a new file, but exists; choose another name, or pass --force to replace it")


def write_file(path: Path, text: str, *, force: bool) -> None:
    """Write a file that the user named.

    Raises:
        StudyError: it exists and `force` is not given, or it cannot be written.
    """
    refuse_existing(path, force=force)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{path}: must be a writable file, but {error.strerror}") from None
