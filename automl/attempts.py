"""Who may write in a trial's folder: the attempt that was given out last, and no earlier one.

The driver gives an attempt out; its number is in the folder before a worker starts. A worker that hung, was given up
and woke again finds a later number there and must not write.
"""

import json
from pathlib import Path
from typing import Final

from automl import durable

FILE: Final = "attempt.json"


class Superseded(Exception):  # noqa: N818  (no fault of the trial's: its work goes on elsewhere)
    """A later attempt has taken this one's place."""


def give(folder: Path, attempt: int) -> None:
    """Make `attempt` the one that may write in a trial's folder."""
    durable.write_json(folder / FILE, {"attempt": attempt})


def check(folder: Path, attempt: int) -> None:
    """See that `attempt` may still write.

    Raises:
        Superseded: a later one was given out.
    """
    if (given := latest(folder)) > attempt:
        raise Superseded(f"{folder}: attempt {given} has taken the place of attempt {attempt}")


def latest(folder: Path) -> int:
    """Return the attempt given out last, 0 where none was."""
    try:
        return int(json.loads((folder / FILE).read_text(encoding="utf-8"))["attempt"])
    except FileNotFoundError:
        return 0
