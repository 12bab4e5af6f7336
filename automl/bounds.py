"""What is written for a study stays in its storage: no folder of it may be a link that leads out.

The storage itself, its `runs` and its `models` may be links: where these lead, the user decided.
"""

from collections.abc import Iterator
from pathlib import Path

from automl.errors import StudyError


def check(folder: Path, *, inner: tuple[str, ...] = ()) -> None:
    """See that a folder, what stands in it, and what stands in some of its folders, does not lead elsewhere.

    Raises:
        StudyError: a link leads out of the place where the folder stands.
    """
    if folder.is_symlink() and not _within(folder, folder.parent.resolve()):
        raise _leads_out(folder)
    for path in _standing_in(folder, inner):
        if path.is_symlink() and not _within(path, folder.resolve()):
            raise _leads_out(path)


def _standing_in(folder: Path, inner: tuple[str, ...]) -> Iterator[Path]:
    for place in (folder, *(folder / name for name in inner)):
        if place.is_dir():
            yield from place.iterdir()


def _within(path: Path, place: Path) -> bool:
    try:
        return path.resolve().is_relative_to(place)
    except (OSError, RuntimeError):  # links in a circle
        return False


def _leads_out(path: Path) -> StudyError:
    return StudyError(
        f"{path}: must stay in the storage, but is a link to {path.readlink()}; put the real thing in its place"
    )
