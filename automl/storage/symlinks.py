"""Path-traversal guard: reject symlinks that point outside the storage directory.

The storage itself, its `runs` and its `models` may be links: the user chose their targets.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from automl.study.errors import StudyError

OF_SPLIT: Final = 2
"""Depth of a picture below the folder of the pictures: that of its split, then its own name."""


def check(folder: Path, *, pictures: Path | None = None) -> None:
    """Check that nothing at any depth of a folder links out of the storage.

    Links to files below the folder `pictures` are those of the staged images, which are read only.

    Raises:
        StudyError: a link points outside the folder's parent.
    """
    if folder.is_symlink() and not _within(folder, folder.parent.resolve()):
        raise _escape_error(folder)
    root = folder.resolve()
    for path in _links_below(folder):
        if not (_is_picture(path, pictures) or _within(path, root)):
            raise _escape_error(path)


def _links_below(folder: Path) -> Iterator[Path]:
    """Yield the links of a folder and of all folders below it; none is followed."""
    places = [folder]
    while places:
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(places.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield Path(entry.path)
                elif entry.is_dir():
                    places.append(Path(entry.path))


def _is_picture(path: Path, pictures: Path | None) -> bool:
    if pictures is None or not path.is_relative_to(pictures):
        return False
    try:
        return len(path.relative_to(pictures).parts) >= OF_SPLIT and not path.is_dir()
    except OSError:
        return False


def _within(path: Path, place: Path) -> bool:
    try:
        return path.resolve().is_relative_to(place)
    except (OSError, RuntimeError):  # links in a circle
        return False


def _escape_error(path: Path) -> StudyError:
    return StudyError(
        f"{path}: must not link out of the storage, but is a link to {path.readlink()}; "
        "replace it by a real file or folder"
    )


def real(path: Path) -> Path:
    """Return the real path of a folder given by the user.

    Raises:
        StudyError: there is none.
    """
    try:
        place = path.resolve(strict=True)
        if not place.is_dir():
            raise NotADirectoryError(0, "is not a folder")
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or "is a circular link"
        raise StudyError(
            f"{path}: must be the folder of a past study, runs/<study>, or of a registry, models/<name>, but: {reason}"
        ) from None
    return place


def inside(folder: Path, name: str) -> Path | None:
    """Return an entry of a folder given by its real path; None if there is none.

    Raises:
        StudyError: it is a link that points outside the folder, or a circular link.
    """
    path = folder / name
    try:
        place = path.resolve(strict=True)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is a circular link"
        raise StudyError(f"{path}: must be a readable file, but: {reason}") from None
    if not place.is_relative_to(folder):
        raise StudyError(f"{path}: must not link out of the study's folder, but is a link to {place}")
    return place


def contains_file(folder: Path, name: str) -> bool:
    """Return True if a relative name is that of a regular file below a folder, and no link leads out of it."""
    path = folder / name
    return not Path(name).is_absolute() and path.is_file() and _within(path, folder.resolve())


def file_in(folder: Path, name: str) -> Path | None:
    """Return a regular file of a folder; None if there is none. Raises like `inside`."""
    place = inside(folder, name)
    if place is not None and not place.is_file():
        raise StudyError(f"{folder / name}: must be a file, but is not")
    return place
