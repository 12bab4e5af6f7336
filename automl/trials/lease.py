"""Leases (fencing tokens) of trial folders: only the latest attempt may write.

The driver increments the attempt number in the folder before a worker starts. A worker that hung, was replaced and
continues later finds a higher number and must not write. Heartbeats are in heartbeat.py.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automl.storage import files
from automl.storage.layout import ATTEMPT
from automl.storage.outage import retry_on_outage


class Superseded(Exception):  # noqa: N818  (not an error: the trial continues elsewhere)
    """The lease was lost: a later attempt owns the folder."""


def acquire(folder: Path) -> int:
    """Start the next attempt at a trial and return its number, from 1. Earlier attempts may no longer write."""
    attempt = retry_on_outage(folder, lambda: latest(folder)) + 1
    files.write_json(folder / ATTEMPT, {"attempt": attempt, "given": utc_now()})
    return attempt


def check(folder: Path, attempt: int) -> None:
    """Check that `attempt` may still write.

    Raises:
        Superseded: a later attempt has the lease.
    """
    if (latest_attempt := retry_on_outage(folder, lambda: latest(folder))) > attempt:
        raise Superseded(f"{folder}: attempt {latest_attempt} has superseded attempt {attempt}")


def latest(folder: Path) -> int:
    """Return the latest attempt, 0 if there was none."""
    return int(read(folder / ATTEMPT).get("attempt", 0))


def read(path: Path) -> dict[str, Any]:
    """Return a JSON file's content, empty if it is missing or incomplete."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def utc_now() -> str:
    """Return the present time in ISO 8601, UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
