"""Path-traversal guard: reject symlinks that point outside the storage directory.

The storage itself, its `runs` and its `models` may be links: the user chose their targets.
"""

from collections.abc import Iterator
from pathlib import Path

from automl.study.errors import StudyError


def check(folder: Path, *, inner: tuple[str, ...] = ()) -> None:
    """Check that a folder, its entries, and the entries of some of its folders, do not link out of the storage.

    Raises:
        StudyError: a link points outside the folder's parent.
    """
    if folder.is_symlink() and not _within(folder, folder.parent.resolve()):
        raise _escape_error(folder)
    for path in _entries(folder, inner):
        if path.is_symlink() and not _within(path, folder.resolve()):
            raise _escape_error(path)


def _entries(folder: Path, inner: tuple[str, ...]) -> Iterator[Path]:
    for place in (folder, *(folder / name for name in inner)):
        if place.is_dir():
            yield from place.iterdir()


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
    except (OSError, RuntimeError, ValueError):
        raise StudyError(f"{path}: must be a readable file, but is a circular link") from None
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
