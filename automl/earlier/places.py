"""Where an earlier study is kept, found without leaving the folder that the user named.

What stands in such a folder was written by others: a link in it, or a name in a document, must not lead elsewhere.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

from automl import durable
from automl.errors import StudyError
from automl.registry import ALIASES, CHAMPION, MANIFEST, Registry

SPEC: Final = "study.yaml"
JOURNAL: Final = "journal.log"
VERDICT: Final = "promotion.json"
DATASET: Final = "dataset.json"
"""The summary of a study's data set."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def real(path: Path) -> Path:
    """Return where a folder that the user named really is.

    Raises:
        StudyError: there is none.
    """
    try:
        place = path.resolve(strict=True)
        if not place.is_dir():
            raise NotADirectoryError(0, "is no folder")
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or "leads nowhere"
        raise StudyError(
            f"{path}: must be the folder of an earlier study, runs/<study>, or of a registry, models/<name>, "
            f"but: {reason}"
        ) from None
    return place


def inside(folder: Path, name: str) -> Path | None:
    """Return a file or folder of a folder given by its real place; None where there is none.

    Raises:
        StudyError: it is a link that leads out of the folder, or round in a circle.
    """
    path = folder / name
    try:
        place = path.resolve(strict=True)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, ValueError):
        raise StudyError(f"{path}: must be a file that can be read, but leads nowhere") from None
    if not place.is_relative_to(folder):
        raise StudyError(f"{path}: must stay in the study's own folder, but leads to {place}")
    return place


def file_in(folder: Path, name: str) -> Path | None:
    """Return a regular file of a folder; None where there is none. Raises as `inside` does."""
    place = inside(folder, name)
    if place is not None and not place.is_file():
        raise StudyError(f"{folder / name}: must be a file, but is none")
    return place


def version_of(folder: Path) -> Path:
    """Return the version of a registry folder to learn from: the champion, else the newest.

    Raises:
        StudyError: a document in it is not as it was published.
        RegistryError: it holds no version, or is damaged.
    """
    held = Registry(folder.parent, folder.name)
    file_in(folder, ALIASES)
    number = held.aliases().get(CHAMPION) or max(held.versions(), default=0)
    version = inside(folder, f"versions/{number:04d}")
    if version is None or file_in(version, MANIFEST) is None:
        raise StudyError(f"{folder}: must hold version {number} with its {MANIFEST}, but does not")
    published = held.manifest(number)["files"]
    for name in (VERDICT, SPEC, DATASET):
        document = file_in(version, name)
        found = durable.sha256(document) if document else None
        if found != published.get(name):
            raise StudyError(
                f"{version / name}: SHA-256 must be {published.get(name)}, as published, but is {found}; "
                "bring it back from a copy"
            )
    return version


def study_of(folder: Path, name: object) -> Path | None:
    """Return the folder of the study that a registry's version says it came from; None where it is gone.

    A name that is none, such as one with `..`, and a link in place of the folder count as gone.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return None
    place = folder.parent.parent / "runs" / name
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
        raise StudyError(f"{path}: must be readable JSON, but {reason}; bring it back from a copy") from None
