"""Locate a past study in a study or registry folder; reject symlinks that lead outside it.

The content of such a folder is untrusted: a link in it, or a name in a document, must not lead outside.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from automl.data.summary import Summary
from automl.storage import files, records
from automl.storage.layout import ALIASES, DATASET, MANIFEST, RUNS, SPEC, VERDICT
from automl.storage.registry import CHAMPION, Registry
from automl.storage.symlinks import file_in, inside
from automl.study.errors import StudyError

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def version_of(folder: Path) -> Path:
    """Return the version of a registry folder for warm start: the champion, else the newest.

    Raises:
        StudyError: a document in it differs from the published one.
        RegistryError: it contains no version, or is damaged.
    """
    held = Registry(folder.parent, folder.name)
    file_in(folder, ALIASES)
    number = held.aliases().get(CHAMPION) or max(held.versions(), default=0)
    version = inside(folder, f"versions/{number:04d}")
    if version is None or file_in(version, MANIFEST) is None:
        raise StudyError(f"{folder}: must contain version {number} with its {MANIFEST}, but does not")
    published = held.manifest(number)["files"]
    for name in (VERDICT, SPEC, DATASET):
        document = file_in(version, name)
        found = files.sha256(document) if document else None
        if found != published.get(name):
            raise StudyError(
                f"{version / name}: SHA-256 must be {published.get(name)}, as published, but is {found}; "
                "restore it from a copy"
            )
    return version


def study_of(folder: Path, name: object) -> Path | None:
    """Return the folder of the study from which a registry version was published; None if it no longer exists.

    An invalid name, such as one with `..`, and a link in place of the folder count as gone.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return None
    place = folder.parent.parent / RUNS / name
    return place if place.is_dir() and place.resolve() == place else None


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read a JSON file.

    Raises:
        StudyError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StudyError(f"{path}: must be readable JSON, but {reason}; restore it from a copy") from None


def read_summary(path: Path, *, remedy: str) -> Summary:
    """Read the summary of a study's data set, which has a checksum.

    Raises:
        RecordError: it is damaged, or none.
    """
    kind = "the summary of a data set"
    with records.reading(path, kind=kind, remedy=remedy):
        return Summary.from_dict(records.read_json(path, kind=kind, remedy=remedy))
