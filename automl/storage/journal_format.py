"""Format of a journal's lines: the checksum of a line, the chain over all bytes before it, and an unfinished end."""

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

START: Final = b'{"op_code":'
"""How each line begins."""
STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)')
"""A JSON string; the last one may be unfinished."""
PRINTABLE: Final = re.compile(rb"[ -~]*")
DAMAGED: Final = "the line is damaged"


@dataclass(frozen=True, slots=True)
class Scan:
    """The good lines of a file, and what follows them."""

    count: int
    """How many they are."""
    end: int
    """Size of the good lines, in bytes."""
    crc: int
    """CRC-32 of the good lines."""
    problem: str = ""
    """Why the next line is damaged, empty if there is none."""
    followed: bool = False
    """Whether undamaged lines follow that one."""


def scan(content: bytes, *, before: int = 0) -> Scan:
    """Return the good lines of a chained file: each has its checksum, and is chained to the bytes before it.

    `before` is the CRC-32 of the bytes of the file before `content`.
    """
    return _by_last_line(content, before) or _by_each_line(content, before)


def _by_last_line(content: bytes, before: int) -> Scan | None:
    """Return what `_by_each_line` would if the last line is good and chained, else None.

    It names the checksum of all bytes before it. Its writer had checked those, so none of them has changed since.
    """
    end = content.rfind(b"\n") + 1
    start = content.rfind(b"\n", 0, max(end - 1, 0)) + 1
    last, crc = content[start : max(end - 1, 0)], zlib.crc32(memoryview(content)[:start], before)
    problem, linked = _problem(last, crc)
    if problem or not linked:
        return None
    return Scan(content.count(b"\n"), end, zlib.crc32(b"\n", zlib.crc32(last, crc)))


def _by_each_line(content: bytes, before: int) -> Scan:
    """Return the good lines up to the first damaged one."""
    count, end, crc = 0, 0, before
    chained = False
    while (stop := content.find(b"\n", end)) >= 0:
        line = content[end:stop]
        problem, linked = _problem(line, crc)
        if not problem and chained and not linked:
            problem = "the line names no line before it, as those above do"
        if problem:
            followed = any(_problem(other, 0)[0] != DAMAGED for other in content[stop + 1 :].split(b"\n")[:-1])
            more = " and others follow" if followed and problem == DAMAGED else ""
            return Scan(count, end, crc, problem + more, followed)
        chained = linked
        crc = zlib.crc32(b"\n", zlib.crc32(line, crc))
        count, end = count + 1, stop + 1
    return Scan(count, end, crc)


def sealed(log: Mapping[str, Any], before: int) -> bytes:
    """Return a line; `before` is the CRC-32 of all bytes of the file before it."""
    body = json.dumps({**log, "prev": before}, separators=(",", ":"), allow_nan=False).encode()
    return b'%b,"crc":%d}\n' % (body[:-1], zlib.crc32(body))


def unfinished(rest: bytes) -> bool:
    r"""Return True if the end of a file is what a killed writer leaves: the beginning of one line, without line end.

    >>> unfinished(b'{"op_code":2,"user_a'), unfinished(b'{"op_code":2}'), unfinished(b'{"op_code":2,"a":"}\n')
    (True, False, False)
    """
    if not PRINTABLE.fullmatch(rest):
        return False
    if not rest.startswith(START):
        return START.startswith(rest)
    depth = 0
    shape = STRINGS.sub(b"", rest)
    for place, letter in enumerate(shape):
        depth += (letter in b"{[") - (letter in b"}]")
        if depth == 0:  # a whole line is there; only its line end may be missing
            return place == len(shape) - 1 and not _problem(rest, 0)[0].startswith(DAMAGED)
    return True


def _problem(line: bytes, before: int) -> tuple[str, bool]:
    """Return why a line is damaged, empty if it is not, and whether it is chained to `before`."""
    body, found, seal = line.rpartition(b',"crc":')
    if not found or seal != b"%d}" % zlib.crc32(b"}", zlib.crc32(body)):
        return DAMAGED, False
    _, linked, number = body.rpartition(b',"prev":')
    if not linked or not number.isdigit():
        return "", False
    if number != b"%d" % before:
        return "the line does not follow those before it: lines were removed, exchanged or repeated", True
    return "", True
