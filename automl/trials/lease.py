"""Who may write in a trial's folder, and what is heard of it: attempts and heartbeats, a small file each.

The driver gives an attempt out before a worker starts; a worker that hung, was given up and woke again finds a later
number in the folder and must not write. The worker in turn says every few seconds that it lives, so that the driver
can tell one that hangs, and that anyone who reads the folder sees where a trial is.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automl.storage import files
from automl.storage.layout import ATTEMPT
from automl.storage.outage import patiently


class Superseded(Exception):  # noqa: N818  (no fault of the trial's: its work goes on elsewhere)
    """A later attempt has taken this one's place."""


def give(folder: Path) -> int:
    """Give out the next attempt at a trial, and return its number: 1 for the first. Earlier ones may not write."""
    attempt = patiently(folder, lambda: latest(folder)) + 1
    files.write_json(folder / ATTEMPT, {"attempt": attempt, "given": utc_now()})
    return attempt


def check(folder: Path, attempt: int) -> None:
    """See that `attempt` may still write.

    Raises:
        Superseded: a later one was given out.
    """
    if (given := patiently(folder, lambda: latest(folder))) > attempt:
        raise Superseded(f"{folder}: attempt {given} has taken the place of attempt {attempt}")


def latest(folder: Path) -> int:
    """Return the attempt given out last, 0 where none was."""
    return int(read(folder / ATTEMPT).get("attempt", 0))


def read(path: Path) -> dict[str, Any]:
    """Return what a file holds, nothing where there is none or half of one."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def utc_now() -> str:
    """Return the present time in ISO 8601, UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
