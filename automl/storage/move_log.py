"""The history file of a registry: one move a line, with a chained checksum.

The checksum of a line, its last key `crc`, is the CRC-32 of the line without it and of all bytes before the line, so
that it covers the line's place: a line that is gone, doubled or exchanged is found like a flipped bit. Lines that were
written before there were checksums are read as they are; the first line with one covers them.
"""

import getpass
import json
import os
import re
import socket
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from automl.storage import signature_files
from automl.storage.alias_history import Move, is_alias
from automl.storage.sealed_json import content, is_number, parsed, reason, shown
from automl.study.errors import RegistryError

SEAL: Final = re.compile(rb'(.*), "crc": ([0-9]+)\}')
TEXTS: Final = ("at", "by", "why")
KNOWN: Final = frozenset({*TEXTS, "kind", "moves"})
SEALED: Final = KNOWN | {"aliases", "refused", "signature"}
"""Keys of a line with a checksum: `refused` are the gates that an override ignored, `signature` is of a version."""
REMEDY: Final = (
    "restore it from a copy; without one, move the file away, write {} into aliases.json and name the champion: "
    "automl promote --version NUMBER --why WHY"
)


def read(path: Path) -> tuple[list[dict[str, Any]], bytes]:
    """Return all moves, oldest first, and the bytes of their lines; none if there is no file.

    An incomplete last line of a killed writer is left out.

    Raises:
        RegistryError: it cannot be read, or a line of it is damaged.
    """
    try:
        held = content(path) if os.path.lexists(path) else b""
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path}: must be readable, but {reason(error)}; {REMEDY}") from None
    return _entries(held, path), held[: held.rfind(b"\n") + 1]


def entry(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with the present time, user and host."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"at": now, "by": user(), **content}


def user() -> str:
    """Return user@host; in a container the user's number may have no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"user {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def extended(lines: bytes, entry: Mapping[str, Any]) -> bytes:
    r"""Return the lines of a history with one more, and its checksum.

    >>> extended(b"", {"why": "first"})
    b'{"why": "first", "crc": 1418470655}\n'
    """
    body = json.dumps(entry, allow_nan=False).encode()
    return lines + b'%s, "crc": %d}\n' % (body[:-1], zlib.crc32(body, zlib.crc32(lines)))


def incomplete(path: Path) -> bool:
    """Return True if the file ends in a line that its writer did not finish."""
    return os.path.lexists(path) and bool(content(path).rpartition(b"\n")[2])


def _entries(held: bytes, path: Path) -> list[dict[str, Any]]:
    *lines, tail = held.split(b"\n")
    if _is_whole(tail):
        lines.append(tail)
    entries, before, sealed = list[dict[str, Any]](), 0, False
    for number, line in enumerate(lines, start=1):
        try:
            if line is tail:
                raise ValueError("its line break is damaged")
            entry, has_seal = _entry(line, before)
            if sealed and not has_seal:
                raise ValueError("its checksum is missing")
        except (ValueError, RecursionError) as error:
            raise RegistryError(
                f"{path}:{number}: each line must contain at, by, moves and why with a checksum, but {reason(error)}; "
                f"{REMEDY}"
            ) from None
        entries.append(entry)
        before, sealed = zlib.crc32(line + b"\n", before), has_seal
    return entries


def _entry(line: bytes, before: int) -> tuple[dict[str, Any], bool]:
    """Return the move in a line and whether it has a checksum, given the checksum of all bytes before."""
    seal = SEAL.fullmatch(line)
    body = seal[1] + b"}" if seal else line
    if seal and seal[2] != str(zlib.crc32(body, before)).encode():
        raise ValueError("its checksum is wrong")
    entry = parsed(body.decode())
    known = SEALED if seal else KNOWN
    if not (set(entry) <= known and _has_texts(entry) and _has_moves(entry, sealed=bool(seal)) and _has_facts(entry)):
        raise ValueError(f"got {shown(entry)}")
    return entry, bool(seal)


def _has_facts(entry: Mapping[str, Any]) -> bool:
    """Return True if an override, and no other entry, has the gates it ignored, and a signing its signature."""
    kind, refused, signature = (entry.get(name) for name in ("kind", "refused", "signature"))
    named = isinstance(refused, list) and bool(refused) and all(map(_is_text, refused))
    if ("refused" in entry or kind == Move.OVERRIDE) and not (named and kind == Move.OVERRIDE):
        return False
    signed = signature_files.is_listed(signature) and kind == Move.SIGN
    return signed or ("signature" not in entry and kind != Move.SIGN)


def _has_texts(entry: Mapping[str, Any]) -> bool:
    texts = [entry.get(name) for name in TEXTS]
    if "kind" in entry and entry["kind"] not in list(Move):
        return False
    return all(map(_is_text, texts))


def _is_text(text: object) -> bool:
    return isinstance(text, str) and text.encode(errors="replace").decode() == text


def _has_moves(entry: Mapping[str, Any], *, sealed: bool) -> bool:
    moves, aliases = entry.get("moves"), entry.get("aliases", None if sealed else {})
    if not (isinstance(moves, dict) and isinstance(aliases, dict)):
        return False
    if bool(moves) == (entry.get("kind") == Move.SIGN):  # a signature moves no alias, anything else does
        return False
    numbers = [*(number for number in moves.values() if number is not None), *aliases.values()]
    return all(map(is_alias, {*moves, *aliases})) and all(map(is_number, numbers))


def _is_whole(tail: bytes) -> bool:
    """Return True if a last line without a line break begins with a whole entry: no writer was killed inside it."""
    try:
        json.JSONDecoder().raw_decode(tail.decode(errors="replace"))
    except (ValueError, RecursionError):
        return False
    return True
