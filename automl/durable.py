"""Writes that survive a pulled plug: temporary name, fsync, rename. And the lock that keeps a second writer out.

Called by everything that leaves files behind. Paths are on the study's storage, which may be a network mount.
"""

import fcntl
import hashlib
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from automl.errors import StudyError


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text` as a whole or not at all."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` by bytes as a whole or not at all."""
    _replace(path, lambda file: file.write(content))


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Replace `path` by JSON; NaN and infinity are refused with ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def copy(source: Path, target: Path) -> None:
    """Replace `target` by a copy of `source` as a whole or not at all."""

    def fill(file: IO[bytes]) -> None:
        with source.open("rb") as reader:
            shutil.copyfileobj(reader, file, 1 << 20)

    _replace(target, fill)


def _replace(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and new files in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock_file(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StudyError(f"{folder}: must be a folder that can be written, but {error.strerror}") from None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the one writer's lock on `folder`; it is free again when this process ends, however it ends.

    Raises:
        StudyError: another process holds it; the message names that process. Or the folder cannot be written.
    """
    with _lock_file(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise StudyError(
                f"{folder}: one writer at a time must hold, but {file.read().strip() or 'another process'} holds it;"
                " wait for it, stop it, or choose another --name"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
        file.flush()
        yield
