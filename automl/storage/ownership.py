"""Ownership of folders: a mark in each folder that this program makes and later empties; others are left alone."""

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from automl.storage import files
from automl.study.errors import StudyError

MARK: Final = ".made-by-automl"
"""Holds the names of the files that were put into the folder, as JSON."""


def is_claimed(folder: Path) -> bool:
    """Return True if a folder carries the mark."""
    return (folder / MARK).is_file() and not (folder / MARK).is_symlink()


def claim(folder: Path, names: Iterable[str] = ()) -> None:
    """Make a folder and mark it with the names of the files that will stand in it; call it before they are written.

    The caller has asked `claimed` before.
    """
    text = json.dumps(sorted({*names})) + "\n"
    if is_claimed(folder) and (folder / MARK).read_text(encoding="utf-8") == text:
        return
    files.write_text(folder / MARK, text)


def claimed(folder: Path) -> Sequence[str]:
    """Return the names of the files that were put into a folder; none where the folder is not there or empty.

    Raises:
        StudyError: it has files and no mark, so that it is somebody else's.
    """
    if is_claimed(folder):
        try:
            return [str(name) for name in json.loads((folder / MARK).read_text(encoding="utf-8"))]
        except (ValueError, TypeError):
            return ()
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(
            f"{folder}: must be a folder that automl made, but it has files and no {MARK}; nothing in it was touched: "
            "move it away, or choose another --name or --storage"
        )
    return ()


def remove(folder: Path) -> None:
    """Remove a folder that carries the mark; one that is not there is no error.

    Raises:
        StudyError: it carries no mark.
    """
    claimed(folder)
    shutil.rmtree(folder, ignore_errors=True)
