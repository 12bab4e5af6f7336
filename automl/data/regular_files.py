"""Reads of regular files with a size limit: a FIFO, socket or device is refused without being opened."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

MB: Final = 1 << 20
NOT_REGULAR: Final = "is not a regular file"


def read(path: Path, *, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes; symlinks are followed.

    A size of 0 is not trusted: files of /proc are endless with it. Memory is taken for what is there, not for `most`:
    `read(n)` of Python allocates n bytes before it reads one.

    Raises:
        OSError: the file cannot be read, is of another kind, or is larger; `strerror` is the reason.
        ValueError: the path is not valid.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, NOT_REGULAR)
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):  # exchanged since
            raise OSError(errno.EINVAL, NOT_REGULAR)
        if found.st_size > most:
            raise _too_large(most)
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(found.st_size + 1) or b""
            if len(content) <= found.st_size:  # the end of the file
                return content
            return _read_on(file, content, most=most)
    finally:
        os.close(handle)


def _read_on(file: BinaryIO, head: bytes, *, most: int) -> bytes:
    """Return `head` and the rest of a file that is larger than its size says."""
    content = bytearray(head)
    while len(content) <= most:
        if not (chunk := file.read(min(MB, most + 1 - len(content)))):
            return bytes(content)
        content += chunk
    raise _too_large(most)


def _too_large(most: int) -> OSError:
    return OSError(errno.EFBIG, f"has more than {most // MB} MB")
