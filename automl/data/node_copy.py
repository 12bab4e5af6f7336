"""Copy of a staged data set on the local disk of a node: made once, shared by all trainings there, deleted by a quota.

Copies are in `data-sets/` of the cache folder (`picture_cache.default_folder`), each named by the content that its
`data.yaml` describes. A lock of the kernel (flock) tells who uses a copy: one process writes it while others wait, each
training holds it, and only a copy that none holds is deleted. Each file is written under another name and renamed, so
that a copy of a process that was killed is continued.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from automl.data import staging
from automl.storage import files
from automl.storage.layout import DATA_YAML
from automl.study.text import GB

FOLDER: Final = "data-sets"
COMPLETE: Final = ".complete"
PART: Final = ".part"
NETWORK: Final = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "ceph", "gpfs", "beegfs", "9p", "virtiofs", "afs", "ocfs2",
    "orangefs", "pvfs2", "wekafs", "glusterfs",
})  # fmt: skip
"""File systems of Linux that lead over a network or out of a virtual machine; those of FUSE count as well."""
MARGIN: Final = 1.05
"""Free space that a copy needs, as a multiple of its size: label caches are written beside it."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The copies of a node."""

    folder: Path
    most: float
    """Maximum size of all copies in bytes."""

    @classmethod
    def of(cls, cache: Path, *, gb: float) -> "Shelf":
        """Return the copies in a cache folder, which together may have so many GB (10^9 bytes)."""
        return cls(cache / FOLDER, gb * GB)

    @contextmanager
    def held(self, marker: Path, *, prepare: Callable[[Path], object], say: Callable[[str], object]) -> Iterator[Path]:
        """Yield the `data.yaml` of the copy of a staged data set, held for a block; `marker` itself if it has no room.

        `prepare` is called once with that file, when all others are there.

        Raises:
            OSError: the source cannot be read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        copy = self.folder / _key(marker)
        with _lock(copy) as lock:
            made = copy / DATA_YAML
            while not (copy / COMPLETE).is_file():
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not (copy / COMPLETE).is_file() and not self._made(marker, copy, prepare, say):
                    made = marker
                    fcntl.flock(lock, fcntl.LOCK_UN)  # else all other trainings would wait for the end of this one
                    break
                fcntl.flock(lock, fcntl.LOCK_SH)  # not atomic: it may be deleted in between, and is then made again
            os.utime(lock.name)
            yield made

    def _made(self, marker: Path, copy: Path, prepare: Callable[[Path], object], say: Callable[[str], object]) -> bool:
        """Copy what is missing; False if there is no room for it."""
        wanted = {path.relative_to(marker.parent): path for path in _files(marker)}
        missing = {name: path for name, path in wanted.items() if _size(copy / name) != path.stat().st_size}
        size = sum(path.stat().st_size for path in missing.values())
        if not self._room(copy, sum(path.stat().st_size for path in wanted.values()), size):
            say(f"data: {size / GB:.2f} GB do not fit into {self.folder}; the data set is read where it is")
            return False
        try:
            for name, path in missing.items():
                _copy(path, copy / name)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            shutil.rmtree(copy, ignore_errors=True)
            say(f"data: {self.folder} is full; the data set is read where it is")
            return False
        lines = marker.read_text(encoding="utf-8").splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("path: "))
        files.write_text(copy / DATA_YAML, f"{text}path: {copy}\n")
        prepare(copy / DATA_YAML)
        (copy / COMPLETE).touch()
        say(f"data: {len(missing)} files, {size / GB:.2f} GB, were copied to {copy}")
        return True

    def _room(self, copy: Path, whole: int, more: int) -> bool:
        """Delete copies that nobody holds, the longest unused first, until a new one fits; return True if it does."""
        if whole > self.most:
            return False
        sizes = {other: _total(other) for other in self.folder.iterdir() if other.is_dir() and other != copy}

        def fits() -> bool:
            free = shutil.disk_usage(self.folder).free
            return sum(sizes.values()) + whole <= self.most and more * MARGIN <= free

        for other in sorted(sizes, key=_used):
            if fits():
                break
            if _deleted(other):
                del sizes[other]
        return fits()


def is_remote(marker: Path) -> bool:
    """Return True if the images of a staged data set are on a network file system."""
    first = next(iter(staging.images_of(marker)), None)
    return first is not None and _is_network(_type_of(first.resolve()))


def _is_network(kind: str) -> bool:
    """Return True if a type of file system leads over a network.

    >>> _is_network("nfs4"), _is_network("fuse.sshfs"), _is_network("ext4")
    (True, True, False)
    """
    return kind in NETWORK or kind.startswith("fuse.")


def _type_of(path: Path) -> str:
    """Return the type of the file system of an absolute path, empty if it is unknown."""
    best, kind = "", ""
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            head, _, tail = line.partition(" - ")
            place = head.split()[4].replace("\\040", " ")
            if len(place) >= len(best) and path.is_relative_to(place):
                best, kind = place, tail.split()[0]
    return kind


def _key(marker: Path) -> str:
    """Return the name of a copy: a digest of what the `data.yaml` says of the content, whatever its place is."""
    lines = marker.read_text(encoding="utf-8").splitlines()
    said = [line for line in lines if not line.startswith(("path: ", "# Links to "))]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:32]


def _files(marker: Path) -> list[Path]:
    """Return images and labels of a staged data set."""
    labels = (path for path in (marker.parent / "labels").glob("*/*.txt") if not path.name.startswith("."))
    return [*staging.images_of(marker), *sorted(labels)]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}{PART}")
    shutil.copyfile(source, part)
    part.replace(target)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _total(folder: Path) -> int:
    return sum(_size(path) for path in folder.rglob("*") if path.is_file())


@contextmanager
def _lock(copy: Path) -> Iterator[IO[str]]:
    with copy.with_name(f"{copy.name}.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield lock


def _used(copy: Path) -> float:
    """Return when a copy was used last."""
    try:
        return copy.with_name(f"{copy.name}.lock").stat().st_mtime
    except OSError:
        return 0.0


def _deleted(copy: Path) -> bool:
    """Delete a copy unless a training holds it; return True if it is deleted."""
    with copy.with_name(f"{copy.name}.lock").open("a", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        (copy / COMPLETE).unlink(missing_ok=True)
        shutil.rmtree(copy, ignore_errors=True)
        return True
