"""Identity of a study's data set: recorded when it begins, compared at every later start, differences are named.

The fingerprint is in the journal; the names and digests that tell what changed are in a file of their own, outside the
staged tree, which may be deleted at any time.
"""

import json
import logging
from pathlib import Path
from typing import Final

from automl.data import identity
from automl.data.identity import Identity
from automl.data.record import DataSet
from automl.storage import files
from automl.storage.journal import Journal
from automl.storage.layout import DATA, DATA_FILES, DATA_YAML, DATASET
from automl.study.errors import StudyError

LOG: Final = logging.getLogger(__name__)

NOTE: Final = "data"
"""Journal key of the fingerprint."""
MOST_SHOWN: Final = 12
"""Maximum number of differences in a message."""


def refuse_changed(data: DataSet, folder: Path, journal: Journal | None) -> None:
    """Check that the data set is the one with which a study began; `journal` is None before that.

    Raises:
        StudyError: class names, images or labels have changed; the message names them.
    """
    if journal is None:
        return
    noted = journal.notes().get(NOTE)
    if noted == data.fingerprint or (noted is None and _as_before_records(data, folder)):
        return
    lines = [*identity.changes(kept, data.identity)] if (kept := _kept(folder, noted)) else []
    more = [f"and {len(lines) - MOST_SHOWN} more"] if len(lines) > MOST_SHOWN else []
    unnamed = f"which ones is not known, since {folder / DATA_FILES} does not tell"
    listed = [*lines[:MOST_SHOWN], *more] or [unnamed]
    raise StudyError(
        f"{data.source}: must be the data set with which the study began, but class names, images or labels have "
        f"changed since, so that its trials could not be compared:",
        *(f"  {line}" for line in listed),
        "restore them, or start a new study with another --name",
    )


def record(data: DataSet, folder: Path, journal: Journal) -> None:
    """Record the identity of the data set with which a study begins, or of which the record is damaged."""
    if journal.notes().get(NOTE) != data.fingerprint:
        journal.note(NOTE, data.fingerprint)
    if _kept(folder, data.fingerprint) is None:
        files.write_text(folder / DATA_FILES, identity.sealed(data.identity))


def _kept(folder: Path, fingerprint: str | None) -> Identity | None:
    """Return the recorded identity; None where its file is missing, damaged or of another data set."""
    try:
        found = identity.unsealed((folder / DATA_FILES).read_bytes())
    except OSError:
        return None
    return found if found and found.fingerprint == fingerprint else None


def _as_before_records(data: DataSet, folder: Path) -> bool:
    """Return True if the data set is that of a study whose journal has no fingerprint yet, as far as is known."""
    known = {text for text in (_of_staged(folder), _of_summary(folder)) if text}
    if not known:
        LOG.info(
            f"{folder}: nothing tells the data set that the study began with; the present state of {data.source} is "
            "recorded as that"
        )
        return True
    formats = {data.fingerprint, identity.fingerprint_of_format_1(data.listed, keypoints=data.keypoints)}
    return bool(known & formats)


def _of_staged(folder: Path) -> str:
    """Return the fingerprint in the head of the staged `data.yaml`, empty if there is none."""
    try:
        head = (folder / DATA / DATA_YAML).read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    except OSError:
        return ""
    return head.removeprefix("# ")


def _of_summary(folder: Path) -> str:
    """Return the fingerprint in the summary of the data set, empty if there is none."""
    try:
        plain = json.loads((folder / DATASET).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(plain.get("fingerprint", "")) if isinstance(plain, dict) else ""
