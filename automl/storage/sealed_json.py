"""JSON records with a checksum, written atomically; one reader turns any odd content into one message.

The checksum is in the record itself, as its last key `crc`: the CRC-32 of the record's text without it. A record of an
earlier version has none and is read as it is.
"""

import json
import os
import stat
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from automl.storage import files
from automl.study.errors import RegistryError

CRC: Final = "crc"
LARGEST: Final = 64 << 20
"""Bytes of a record; a larger file was not written by this program."""
SHOWN: Final = 200
"""Characters of an odd value in a message."""


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Replace `path` by a record with its checksum, atomically."""
    files.write_text(path, sealed(record))


def sealed(record: Mapping[str, Any]) -> str:
    r"""Return the text of a record with its checksum.

    >>> sealed({"champion": 1})
    '{\n  "champion": 1,\n  "crc": 2876137131\n}\n'
    """
    crc = zlib.crc32(json.dumps(record, indent=2, allow_nan=False).encode())
    return json.dumps({**record, CRC: crc}, indent=2, allow_nan=False) + "\n"


def read(path: Path, *, remedy: Callable[[], str]) -> tuple[dict[str, Any], bool]:
    """Return a record without its checksum, and whether it has one.

    Raises:
        RegistryError: it is missing, no regular file, no JSON object, or its checksum is wrong.
    """
    try:
        text = content(path).decode()
        record = parsed(text)
        found = record.pop(CRC, None)
        if found is not None and text != sealed(record):
            raise ValueError("its checksum is wrong")
    except (OSError, ValueError, RecursionError) as error:
        raise RegistryError(f"{path}: must be readable JSON, but {reason(error)}; {remedy()}") from None
    return record, found is not None


def content(path: Path) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is a link, a folder, a pipe or a device, or too large.
    """
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is a link" if stat.S_ISLNK(status.st_mode) else "is not a file")
    if status.st_size > LARGEST:
        raise ValueError(f"has {status.st_size} bytes, more than {LARGEST}")
    return path.read_bytes()


def parsed(text: str) -> dict[str, Any]:
    """Return the JSON object of a text.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"got {shown(found)}")
    return found


def reason(error: Exception) -> str:
    """Return why something could not be read, in one line."""
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    return getattr(error, "strerror", None) or " ".join(str(error).split())[:SHOWN]


def shown(value: object) -> str:
    """Return a value for a message, cut to some length.

    >>> shown({"champion": "1"})
    "{'champion': '1'}"
    """
    try:
        text = ascii(value)
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        return f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def is_number(value: object) -> bool:
    """Return True if a value can be the number of a version.

    >>> [is_number(value) for value in (1, 0, True, "1", 10**9)]
    [True, False, False, False, False]
    """
    return type(value) is int and 0 < value < 10**9
