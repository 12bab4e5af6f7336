"""Atomic, durable writes (temporary name, fsync, rename), and the single-writer lock of a folder.

Paths are on the study's storage, which may be a network mount; under `outage.retries_enabled`, writes of whole
files are retried while the storage is full or unavailable.
"""

import errno
import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from automl.storage.outage import need_folder, retry_on_outage
from automl.study.errors import StudyError

LOG: Final = logging.getLogger(__name__)
LOCK: Final = ".lock"
UNSUPPORTED: Final = frozenset({
    errno.EPERM, errno.EACCES, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.ENOTTY,
})  # fmt: skip
"""Errors of file systems for an operation that they do not support."""


class LockedError(StudyError):
    """Another process holds the single-writer lock of a folder."""

    def __init__(self, folder: Path, holder: str) -> None:
        """Store who holds it, for callers that wait."""
        self.holder = holder
        super().__init__(
            f"{folder}: must have one writer at a time, but {holder} is writing; wait for it, stop it, or choose "
            "another --name"
        )


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text`, atomically."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by bytes, atomically."""
    _replace(path, lambda file: file.write(content))


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Replace `path` by JSON, atomically; NaN and infinity raise ValueError."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:  # noqa: ANN401
    """Return a value as JSON, as in all files of this program; NaN and infinity raise ValueError."""
    return json.dumps(value, indent=2, allow_nan=False) + "\n"


def copy(source: Path, target: Path) -> None:
    """Replace `target` by a copy of `source`, atomically."""

    def fill(file: IO[bytes]) -> None:
        with source.open("rb") as reader:
            shutil.copyfileobj(reader, file, 1 << 20)

    _replace(target, fill)


def append(
    path: Path,
    content: bytes,
    *,
    end: int | None = None,
    sync: bool = True,
    mine: Callable[[bytes], bool] = lambda _rest: True,
) -> int:
    """Append to a file as a whole or not at all, and return its new size; never retries.

    `end` is the size after the caller's last write; what is after it and is `mine` is truncated first. The file is not
    kept open in between, so a remounted storage causes no error.

    Raises:
        StudyError: the file is shorter than `end`, or longer by what is not `mine`.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        size = os.fstat(file).st_size
        start = size if end is None else end
        if size < start:
            raise StudyError(
                f"{path}: must contain the {start} bytes written so far, but has {size}; find out what truncated it"
            )
        if size > start and not mine(os.pread(file, size - start, start)):
            raise StudyError(
                f"{path}: must end after the {start} bytes written so far, but has {size}: another process writes to "
                "it; nothing was changed; end that process, then resume"
            )
        _extend(file, content, start, sync=sync)
    finally:
        os.close(file)
    return start + len(content)


def _extend(file: int, content: bytes, start: int, *, sync: bool) -> None:
    """Write at `start`, and truncate a partial write after a failure."""
    done = 0
    try:
        os.ftruncate(file, start)
        os.lseek(file, start, os.SEEK_SET)
        while done < len(content):  # on a full disk the first write is partial, and only the next call raises
            done += os.write(file, content[done:])
        if sync:
            os.fsync(file)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(file, start)
        raise


def _replace(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    def replace() -> None:
        try:
            _replace_once(path, fill)
        except FileNotFoundError:
            need_folder(path.parent)  # it was made before the file was written
            raise

    retry_on_outage(path.parent, replace)


def _replace_once(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as file:
        try:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            made.replace(path)
        except BaseException:
            made.unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new files in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(handle)


def permitted(mode: int) -> int:
    """Return the permissions of a mode that this process's umask leaves."""
    return mode & ~_umask()


def _umask() -> int:
    """Return the umask: from Linux's own record, since to ask the kernel is to set it, for all threads."""
    try:
        found = re.search(r"^Umask:\s*([0-7]+)$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    except (OSError, ValueError):
        found = None
    if found:
        return int(found.group(1), 8)
    held = os.umask(0o077)
    os.umask(held)
    return held


def set_mode(path: Path, mode: int) -> None:
    """Set the permissions of a file or folder where the storage has any; exFAT and many shares have none."""
    try:
        path.chmod(mode)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def link(source: Path, target: Path) -> str:
    """Create `target` as a symbolic link to `source`, else a hard link, else a copy; return which.

    exFAT, SMB shares and Google Drive have no symbolic links, and hard links only within one file system.
    """
    for kind, make in (("symbolic links", target.symlink_to), ("hard links", target.hardlink_to)):
        try:
            make(source)
        except OSError as error:
            if error.errno not in UNSUPPORTED | {errno.EXDEV, errno.EMLINK}:
                raise
        else:
            return kind
    shutil.copyfile(source, target)
    return "copies"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_HELD: Final[dict[Path, IO[str]]] = {}
"""The locks that this process holds, by folder."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Acquire the single-writer lock on `folder` during a block; the kernel releases it if the process dies.

    Raises:
        LockedError: another process has it, named in the message.
        StudyError: the folder cannot be written, or has no locks.
    """
    place = folder.absolute()
    file = _taken(folder)
    try:
        # The lock file may have been removed, and made again by another process, between its opening and the lock.
        while not _is_there(file, folder):
            file.close()
            file = _taken(folder)
        _HELD[place] = file
        yield
    finally:
        _HELD.pop(place, file).close()


def keep_lock(folder: Path) -> None:
    """Check that the lock that this process holds on `folder` is still that of the file there.

    A lock file that was removed is made and locked again. No-op where this process holds no lock.

    Raises:
        StudyError: another process has made and locked it meanwhile.
    """
    held = _HELD.get(folder.absolute())
    if held is None or _is_there(held, folder) or not folder.is_dir():  # where the storage is away, the write says so
        return
    try:
        _HELD[folder.absolute()] = _taken(folder)
    except StudyError as error:
        raise StudyError(f"{error}; its lock file {LOCK} was removed while this process held it") from None
    held.close()
    LOG.warning(f"lock: {folder / LOCK} was removed by somebody and is taken again")


def _taken(folder: Path) -> IO[str]:
    file = _lock_file(folder)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise LockedError(folder, holder) from None
    except OSError as error:
        file.close()
        raise StudyError(
            f"{folder}: must be on a file system with locks (flock), but {error.strerror}; pass --storage"
        ) from None
    holder = f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n"
    with suppress(OSError):  # the lock is valid even if its owner cannot be written to a full disk
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), holder.encode())
    return file


def _lock_file(folder: Path) -> IO[str]:
    def take() -> IO[str]:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / LOCK).open("a+", encoding="utf-8", errors="replace")

    try:
        return retry_on_outage(folder, take)
    except OSError as error:
        raise StudyError(f"{folder}: must be a folder that can be written, but {error.strerror}") from None


def _is_there(file: IO[str], folder: Path) -> bool:
    """Return True if an open lock file is the one that has the name now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat())
    except FileNotFoundError:
        return False
