"""Resumable uploads: files arrive in parts, which continue after an interruption; bounded, and data only.

A batch is a folder of files with relative paths. A part is appended only where the bytes received so far end; the
answer to a wrong offset is the right one. Nothing that arrives is run, and only names of images, annotations and
archives are taken.
"""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from automl.data import archive
from automl.data.images import IMAGES
from automl.storage import files
from automl.study.errors import AutomlError

MB: Final = 1 << 20
MOST_PART: Final = 8 * MB
"""Bytes of a part."""
MOST_BYTES: Final = 20_000 * MB
"""Bytes of all uploads of a storage that are not imported yet."""
MOST_FILES: Final = 100_000
"""Files of a batch."""
KEPT_SECONDS: Final = 7 * 86_400.0
"""Age of a batch after which it may be deleted."""
BATCH: Final = re.compile(r"[0-9a-f]{16,64}")
NAME: Final = re.compile(r"[^\x00-\x1f\x7f/\\:]{1,150}")
DEEPEST: Final = 8
ANNOTATIONS: Final = frozenset({".txt", ".json", ".xml", ".yaml", ".yml", ".names", ".labels", ".data"})
ARCHIVES: Final = frozenset({".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz"})
TAKEN: Final = IMAGES | ANNOTATIONS | ARCHIVES
PART: Final = ".part"


class UploadError(AutomlError):
    """A part that is refused, with its HTTP status code."""

    def __init__(self, code: int, law: str, *, received: int = 0) -> None:
        """Store the status code, and how many bytes of the file have been received."""
        super().__init__(law)
        self.code, self.received = code, received


class Uploads:
    """The uploads of a storage, one folder a batch."""

    def __init__(self, folder: Path, *, most_bytes: int = MOST_BYTES, clock: Callable[[], float] = time.time) -> None:
        """Keep batches below a folder."""
        self.folder, self.most_bytes, self._clock = folder, most_bytes, clock

    def received(self, batch: str, name: str) -> int:
        """Return how many bytes of a file have been received.

        Raises:
            UploadError: batch or name is not allowed.
        """
        path = self._path(batch, name)
        return next((one.stat().st_size for one in (path, _part(path)) if one.is_file()), 0)

    def append(self, batch: str, name: str, content: bytes, *, offset: int, size: int) -> int:
        """Append a part of a file of `size` bytes, and return how many have been received.

        Raises:
            UploadError: the part is too long (413), begins elsewhere (409), or the storage is full (507).
        """
        path = self._path(batch, name)
        known = self.received(batch, name)
        if len(content) > MOST_PART or offset + len(content) > size:
            raise UploadError(413, f"a part must have at most {MOST_PART} bytes, and end within the file")
        if offset != known or path.is_file():
            raise UploadError(409, f"a part must begin at byte {known}, but begins at {offset}", received=known)
        self._refuse_full(len(content), new=known == 0, batch=batch)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            files.append(_part(path), content, end=offset, sync=offset + len(content) == size)
            if offset + len(content) == size:
                _part(path).rename(path)
        except OSError as error:
            raise UploadError(507, f"the part cannot be stored: {error.strerror}", received=known) from None
        return offset + len(content)

    def source(self, batch: str) -> Path:
        """Return what is to be imported of a batch: its only archive, else its folder.

        Raises:
            UploadError: it is empty, or a file is incomplete.
        """
        folder = self._batch(batch)
        found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
        if not found or any(path.name.endswith(PART) for path in found):
            raise UploadError(409, "an upload must be complete, but files are missing; continue it")
        return found[0] if len(found) == 1 and archive.is_archive(found[0]) else folder

    def delete(self, batch: str) -> None:
        """Delete a batch that was imported."""
        shutil.rmtree(self._batch(batch), ignore_errors=True)

    def delete_old(self) -> None:
        """Delete the batches to which nothing was added for a week."""
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            newest = max((path.stat().st_mtime for path in (folder, *folder.rglob("*"))), default=0.0)
            if BATCH.fullmatch(folder.name) and newest < self._clock() - KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)

    def _refuse_full(self, size: int, *, new: bool, batch: str) -> None:
        held = [path for path in self.folder.rglob("*") if path.is_file()] if self.folder.is_dir() else []
        if sum(path.stat().st_size for path in held) + size > self.most_bytes:
            raise UploadError(
                507, f"uploads must have at most {self.most_bytes // MB} MB together; import or delete some"
            )
        if new and sum(path.is_relative_to(self._batch(batch)) for path in held) >= MOST_FILES:
            raise UploadError(413, f"an upload must have at most {MOST_FILES} files; pack them into an archive")

    def _batch(self, batch: str) -> Path:
        if not BATCH.fullmatch(batch):
            raise UploadError(422, "a batch must be 16 to 64 hexadecimal digits")
        return self.folder / batch

    def _path(self, batch: str, name: str) -> Path:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        fine = 0 < len(parts) <= DEEPEST and all(NAME.fullmatch(part) and not part.startswith(".") for part in parts)
        if not fine or PurePosixPath(name).suffix.lower() not in TAKEN:
            raise UploadError(422, "a file must be an image, an annotation or an archive with a plain name")
        return self._batch(batch).joinpath(*parts)


def _part(path: Path) -> Path:
    return path.with_name(path.name + PART)
