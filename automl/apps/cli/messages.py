"""Output of verbs: records as text or JSON on standard output, errors as one message and exit code 2."""

import functools
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO

import typer
from rich.console import Console

from automl.storage import streams
from automl.study.errors import AutomlError, Interrupted, StudyError
from automl.study.plain_values import plain
from automl.study.text import View, lines, one_line
from automl.tracking.table import drawn

USER_ERROR: Final = 2
CHECKING: Final = "loading PyTorch and Ultralytics, checking the data, timing a few batches"
UNSEEN: Final = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON leaves as it is, and a terminal or UTF-8 does not."""
UNBOUNDED: Final = 10_000
"""Width of an output that is not a terminal, in columns."""


def readable(command: Callable[..., None]) -> Callable[..., None]:
    """Convert user errors to one message and exit code 2, and a graceful stop to exit code 130."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        streams.open_closed()
        streams.print_all_letters()
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except AutomlError as error:
            _print_error(lines(*error.args))
            raise typer.Exit(USER_ERROR) from None
        except BrokenPipeError:  # the reader of standard output has closed it (`automl status | head`)
            streams.release_output()
            raise typer.Exit(128 + signal.SIGPIPE) from None
        except OSError as error:  # of the environment: a disk, a mount, permissions, a network
            _print_error(f"{error_line(error)}; fix the cause and run the command again")
            raise typer.Exit(USER_ERROR) from None
        except (KeyboardInterrupt, Interrupted):
            _print_error("stopped; nothing is lost")
            raise typer.Exit(128 + signal.SIGINT) from None

    return wrapped


def _print_error(text: str) -> None:
    with suppress(OSError):
        print(f"automl: {text}", file=sys.stderr)


def print_progress(text: str) -> None:
    """Print what a verb is about to do to standard error, apart from its output, where that takes seconds."""
    with suppress(OSError):
        print_line(f"{text} ...", file=sys.stderr)


def error_line(error: OSError) -> str:
    """Return an operating system's error in one line: the path and the reason.

    >>> error_line(OSError(28, "No space left on device", "/data/x")), error_line(OSError("no route"))
    ('/data/x: No space left on device', 'no route')
    """
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else "storage"
    line = f"{where}: {error.strerror}" if error.strerror else " ".join(str(error).split()) or type(error).__name__
    return one_line(line)


def print_json(record: object) -> None:
    """Print a record as one JSON document; in ASCII where standard output has another encoding than Unicode's."""
    unicode = (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
    text = json.dumps(plain(record), indent=2, ensure_ascii=not unicode, allow_nan=False)
    print(UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text))


def print_line(text: str, *, file: TextIO | None = None) -> None:
    """Print a text, with the names in it, as one line."""
    print(one_line(text), file=file)


class _Listing(Console):
    """Console that leaves a reader that is gone to `readable`; rich itself would end the process with code 1."""

    def on_broken_pipe(self) -> None:
        """Raise, as `print` does."""
        raise BrokenPipeError


def print_table(view: View) -> None:
    """Print a table: on a terminal the columns that fit, else all at full width."""
    console = _Listing()
    width = console.width if console.is_terminal else None
    if width is None:
        console.width = UNBOUNDED
    console.print(drawn(view, width=width, encoding=console.encoding), soft_wrap=False)


def refuse_existing(path: Path, *, force: bool) -> None:
    """Check that an output file does not exist, or may be replaced.

    Raises:
        StudyError: it exists.
    """
    if path.exists() and not force:
        raise StudyError(f"{path}: must be a new file, but exists; choose another name, or pass --force to replace it")


def refuse_unwritable(path: Path) -> None:
    """Check before a long computation that its output file can be written.

    Raises:
        StudyError: the path is a folder, or its folder does not exist or is not writable.
    """
    folder = path.absolute().parent
    if path.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise StudyError(f"{path}: must be a file in a folder that exists and is writable; choose another with --out")


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
