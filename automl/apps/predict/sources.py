"""Files in which objects are detected, and the files that are written for them: nothing is overwritten unasked."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.apps import export_target
from automl.study.errors import StudyError

IMAGES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
VIDEOS: Final = frozenset({".mp4", ".avi", ".mov", ".mkv", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv", ".ts"})
WRITTEN_VIDEO: Final = ".mp4"
"""Format of videos with boxes: OpenCV's own encoder, MPEG-4, without further libraries."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image or a video."""

    path: Path
    name: str
    """Its path in the folder that was given."""

    @property
    def is_video(self) -> bool:
        """Return True for a video, by its suffix."""
        return self.path.suffix.lower() in VIDEOS

    def target(self, out: Path) -> Path:
        """Return the file for its copy with boxes.

        >>> Source(Path("/a/b.avi"), "b.avi").target(Path("out")), Source(Path("/a/b.png"), "b.png").target(Path("out"))
        (PosixPath('out/b.avi.mp4'), PosixPath('out/b.png'))
        """
        whole = self.path.suffix.lower() in {*IMAGES, WRITTEN_VIDEO}
        return out / (self.name if whole else self.name + WRITTEN_VIDEO)


def found(path: Path, *, out: Path | None = None) -> list[Source]:
    """Return the images and videos of a file or a folder, in the order of their names; `out` is not looked into.

    Raises:
        StudyError: there is none.
    """
    if path.is_dir():
        sources = [Source(file, str(file.relative_to(path))) for file in _files(path, out)]
    else:
        sources = [Source(path, path.name)] if path.is_file() and is_known(path) else []
    if not sources:
        raise StudyError(
            f"{path}: must be an image, a video or a folder with some ({', '.join(sorted(IMAGES | VIDEOS))}), but "
            f"{'has none' if path.is_dir() else 'is none' if path.exists() else 'does not exist'}"
        )
    return sorted(sources, key=lambda source: source.name)


def is_known(path: Path) -> bool:
    """Return True for an image or a video, by its suffix."""
    return path.suffix.lower() in IMAGES | VIDEOS


def _files(folder: Path, out: Path | None) -> Iterator[Path]:
    skipped = out.absolute() if out else None
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and Path(place, name).absolute() != skipped]
        yield from (path for name in names if is_known(path := Path(place, name)) and path.is_file())


def refuse_targets(sources: Sequence[Source], out: Path, *, force: bool) -> None:
    """Check that the files of an output folder may be written, before anything is computed.

    Raises:
        StudyError: one is a source, or exists and `force` is not given.
        ExportError: the folder belongs to a registry.
    """
    if out.exists() and not out.is_dir():
        raise StudyError(f"{out}: must be a folder, but is a file; choose another name with --out")
    export_target.refuse_in_registry(out)
    targets = {source.target(out): source for source in sources}
    there = [target for target in targets if os.path.lexists(target)]
    own = {(status.st_dev, status.st_ino) for status in (source.path.stat() for source in sources)}
    for target in there:
        if target.exists() and (target.stat().st_dev, target.stat().st_ino) in own:
            raise StudyError(f"{target}: must not be a file that is read, but is one; choose another folder with --out")
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise StudyError(
            f"{out}: must not have the files that will be written, but has {there[0].name}{more}; choose another "
            "folder with --out, or pass --force to replace them"
        )
