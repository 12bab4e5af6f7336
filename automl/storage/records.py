"""Records that steer a study: one reader, which turns any damage of a file into one message with the remedy.

Records in JSON carry a checksum as their last key; files of earlier versions have none and are read as they are.
"""

import csv
import json
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from automl.storage import files
from automl.study.errors import StudyError

ODDITIES: Final = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, RuntimeError, TypeError, ValueError,
    csv.Error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What parsing raises for bytes of another kind: no UTF-8, cut, wrong types, nested too deep, numbers too long."""
SEAL: Final = "crc32"
"""Key of the checksum in a JSON record, and column of it in a CSV file."""
DAMAGED: Final = ".damaged"
"""Suffix of a record that was set aside."""
LONGEST: Final = 200
"""Letters of a reason in a message."""


class RecordError(StudyError):
    """A record that is damaged, or none of ours."""


@contextmanager
def reading(path: Path, *, kind: str, remedy: str) -> Iterator[None]:
    """Convert what goes wrong while a record is parsed to one message.

    Raises:
        RecordError: the block raised one of `ODDITIES`.
    """
    try:
        yield
    except ODDITIES as error:
        raise RecordError(f"{path}: must be {kind}, but {reason(error)}; {remedy}") from None


def reason(error: Exception) -> str:
    """Return an error of parsing in one line.

    >>> reason(KeyError("moves")), reason(ValueError("bad  number")), reason(AssertionError())
    ("KeyError: 'moves'", 'bad number', 'AssertionError')
    """
    text = " ".join(str(error).split())[:LONGEST]
    if isinstance(error, ValueError) and text:
        return text
    return f"{type(error).__name__}: {text}".rstrip(": ")


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a record.

    Raises:
        ValueError: it is no regular file, such as a pipe, which would be waited for.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        raise ValueError(f"it is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}")
    return path.read_bytes()


def read_json(path: Path, *, kind: str, remedy: str) -> dict[str, Any]:
    """Return the JSON object in a record, without its checksum; one without a checksum is of an earlier version.

    Raises:
        RecordError: it is damaged, or contains something else.
        OSError: it is missing or cannot be read.
    """
    with reading(path, kind=kind, remedy=remedy):
        text = read_bytes(path).decode("utf-8")
        plain = json.loads(text, parse_constant=_refuse)
        if not isinstance(plain, dict):
            raise TypeError(f"contains a {type(plain).__name__}")
        if plain.pop(SEAL, None) is not None and sealed(plain) != text:
            raise ValueError("its checksum is wrong")
        return plain


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a record by a JSON object with a checksum, atomically."""
    files.write_text(path, sealed(value))


def sealed(value: Mapping[str, Any]) -> str:
    r"""Return a JSON object as text, with the checksum of the rest as its last key.

    >>> sealed({"attempt": 1})
    '{\n  "attempt": 1,\n  "crc32": "0xb60a9b62"\n}\n'
    """
    content = json.dumps(value, indent=2, allow_nan=False)
    return json.dumps({**value, SEAL: checksum(content.encode())}, indent=2, allow_nan=False) + "\n"


def checksum(content: bytes) -> str:
    """Return the CRC-32 of bytes as text that no reader takes for a number.

    >>> checksum(b"abc")
    '0x352441c2'
    """
    return f"0x{zlib.crc32(content):08x}"


def set_aside(path: Path) -> Path:
    """Rename a damaged record to the first free name with `.damaged`, and return that."""
    place, number = path.with_name(path.name + DAMAGED), 1
    while place.exists():
        number += 1
        place = path.with_name(f"{path.name}{DAMAGED}.{number}")
    path.rename(place)
    files.sync_folder(path.parent)
    return place


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
