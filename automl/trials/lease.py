"""Leases (fencing tokens) of trial folders: only the latest attempt may write.

The driver increments the attempt number in the folder before a worker starts. A worker that hung, was replaced and
continues later finds a higher number and must not write. Heartbeats are in heartbeat.py.
"""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from automl.storage import job_file, records
from automl.storage.layout import ATTEMPT
from automl.storage.outage import need_folder, retry_on_outage
from automl.storage.records import RecordError
from automl.study.errors import AutomlError

LOG: Final = logging.getLogger(__name__)


class Superseded(Exception):  # noqa: N818  (not an error: the trial continues elsewhere)
    """The lease was lost: a later attempt owns the folder."""


def acquire(folder: Path) -> int:
    """Start the next attempt at a trial and return its number, from 1. Earlier attempts may no longer write.

    A damaged lease is set aside; the latest attempt is then that in the job file.
    """
    attempt = retry_on_outage(folder, lambda: _latest_or_mended(folder)) + 1
    records.write_json(folder / ATTEMPT, {"attempt": attempt, "given": utc_now()})
    return attempt


def check(folder: Path, attempt: int) -> None:
    """Check that `attempt` may still write.

    Raises:
        Superseded: a later attempt has the lease.
    """
    if (latest_attempt := retry_on_outage(folder, lambda: _latest_here(folder))) > attempt:
        raise Superseded(f"{folder}: attempt {latest_attempt} has superseded attempt {attempt}")


def latest(folder: Path) -> int:
    """Return the latest attempt, 0 if there was none.

    Raises:
        RecordError: the lease is damaged.
    """
    path, remedy = folder / ATTEMPT, "the next attempt sets it aside and makes it again"
    if not path.exists():
        return 0
    plain = records.read_json(path, kind="the lease of a training", remedy=remedy)
    attempt = plain.get("attempt")
    if type(attempt) is not int or attempt < 0 or not plain.keys() <= {"attempt", "given"}:
        raise RecordError(f"{path}: must be the lease of a training, but has no attempt; {remedy}")
    return attempt


def _latest_here(folder: Path) -> int:
    """Return the latest attempt at a trial that has one."""
    found = latest(folder)
    if not found:
        need_folder(folder)
    return found


def _latest_or_mended(folder: Path) -> int:
    try:
        return latest(folder)
    except RecordError as error:
        LOG.info(f"{error}: kept as {records.set_aside(folder / ATTEMPT).name}")
    try:
        return job_file.read(folder).attempt
    except AutomlError:
        return 0


def read(path: Path) -> dict[str, Any]:
    """Return a JSON file's content, empty if it is missing or incomplete."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def utc_now() -> str:
    """Return the present time in ISO 8601, UTC, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
