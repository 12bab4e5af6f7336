"""Lines of a journal file: a checksum per line, chained over all bytes before it, and the recovery of its end.

A line is a JSON object that ends with `"prev"`, the CRC-32 of all bytes of the file before the line, and `"crc"`, that
of the line itself. Lines of earlier versions have no `prev` and are continued by chained ones.
"""

import gc
import json
import re
import shlex
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from automl.storage import files, records
from automl.storage.layout import CONFIRM, TRIALS
from automl.storage.outage import retry_on_outage
from automl.storage.records import RecordError
from automl.study.errors import StudyError

START: Final = b'{"op_code":'
"""How each line begins."""
STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)')
"""A JSON string; the last one may be unfinished."""
PRINTABLE: Final = re.compile(rb"[ -~]*")
DAMAGED: Final = "the line is damaged"
REMEDY: Final = "nothing was changed; restore the file from a copy, or begin again under another --name"
DROPPED: Final = ".dropped."
"""Between the journal's name and the place from which an unfinished append was taken."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The good lines of a file, and what follows them."""

    lines: list[bytes]
    end: int
    """Size of the good lines, in bytes."""
    crc: int
    """CRC-32 of the good lines."""
    problem: str = ""
    """Why the next line is damaged, empty if there is none."""
    followed: bool = False
    """Whether undamaged lines follow that one."""


class Lines:
    """The lines of one journal; this process's own lines are not read back."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        """Read all lines, and recover an unfinished append at the end if writable.

        Raises:
            StudyError: the file is damaged, or cannot be read or written.
        """
        self.path = path
        self.dropped = ""
        """Message on an unfinished append at the end of the file, empty if there was none."""
        self._writable = writable
        self._tried: list[bytes] = []
        """What may stand after the last good line: appends that failed, and could not be taken back either."""
        self._new: list[dict[str, Any]] = []
        try:
            content = records.read_bytes(path) if path.exists() else b""
            found = scan(content)
            self._check(found, content)
            self._end, self._crc = found.end, found.crc
            self.logs = list(_parsed(found.lines, path))
            """The lines at opening, until they are replayed."""
            self.count = len(self.logs)
            if writable:
                self._recover(content[found.end :])
                files.sync_folder(path.parent)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise StudyError(f"{path}: must be a file that can be read and written, but {why}") from None

    def follow(self) -> None:
        """Read the lines that another process has appended; those of an unfinished append come with a later call.

        Raises:
            RecordError: a line is damaged, or does not follow those before it.
            StudyError: the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self._end)
                rest = file.read()
        except OSError as error:
            raise StudyError(f"{self.path}: must be a file that can be read, but {error.strerror}") from None
        found = scan(rest, before=self._crc)
        if found.problem:
            raise RecordError(
                f"{self.path}:{self.count + len(self._new) + len(found.lines) + 1}: the checksum must match, but "
                f"{found.problem}; {REMEDY}"
            )
        self._new += _parsed(found.lines, self.path)
        self._end, self._crc = self._end + found.end, found.crc

    def since(self, number: int) -> list[dict[str, Any]]:
        """Return the lines that were appended or followed since the opening, from a number onwards."""
        return self._new[number - self.count :] if number >= self.count else []

    def append(self, logs: Iterable[Mapping[str, Any]]) -> None:
        """Append lines with fsync; lines that could not be written completely are removed.

        Raises:
            StudyError: they could not be written, or another process wrote to the file.
        """
        if not self._writable:
            raise StudyError(f"{self.path}: was opened for reading only")
        text, crc = b"", self._crc
        for log in logs:
            line = sealed(log, crc)
            text, crc = text + line, zlib.crc32(line, crc)
        try:
            self._add(text)
        except OSError as error:
            raise StudyError(
                f"{self.path}: must be writable, but {error.strerror}; fix that, then resume the study"
            ) from None
        self._crc = crc
        # JSON round trip, so that this process sees the same values as a later one.
        self._new += [json.loads(line) for line in text.splitlines()]

    def warnings(self) -> list[str]:
        """Return a message on each unfinished append that was left out, now or by an earlier session."""
        asides = sorted(self.path.parent.glob(f"{self.path.name}{DROPPED}*"))
        messages = [
            f"{aside}: {aside.stat().st_size} bytes of an unfinished append, which a resumed study left out of its "
            "journal"
            for aside in asides
        ]
        return messages if self._writable or not self.dropped else [*messages, self.dropped]

    def _add(self, content: bytes) -> None:
        """Write after the last good line; only what this process tried to write may stand there, and is replaced."""

        def write() -> int:
            files.keep_lock(self.path.parent)
            return files.append(self.path, content, end=self._end, mine=self._is_own)

        self._tried.append(content)
        self._end = retry_on_outage(self.path.parent, write)
        self._tried.clear()

    def _is_own(self, rest: bytes) -> bool:
        return any(content.startswith(rest) for content in self._tried)

    def _recover(self, rest: bytes) -> None:
        """Take an unfinished append from the end of the file, and keep its bytes beside it."""
        if rest:
            aside = _free(self.path.with_name(f"{self.path.name}{DROPPED}{self._end}"))
            files.write_bytes(aside, rest)
            self.dropped += f"; they are kept as {aside.name}"
            self._tried.append(rest)
        self._add(b"")

    def _check(self, found: Scan, content: bytes) -> None:
        """Refuse all damage but one unfinished append at the end.

        Raises:
            RecordError: there is other damage.
        """
        rest, number = content[found.end :], len(found.lines) + 1
        lost = _trials_beside(self.path.parent)
        if not found.lines and lost:
            state = "is missing or empty" if not content else "has no good line"
            raise RecordError(f"{self.path}: must be the journal of {lost}, but {state}; {REMEDY}")
        if found.problem:
            raise RecordError(
                f"{self.path}:{number}: the checksum must match, but {found.problem}; {self._remedy(found, content)}"
            )
        if rest and not unfinished(rest):
            raise RecordError(
                f"{self.path}:{number}: the file must end with a line or with one unfinished append, but its last "
                f"{len(rest)} bytes are damaged; {self._remedy(found, content)}"
            )
        if rest:
            self.dropped = f"{self.path}: the last {len(rest)} bytes are an incomplete line and are ignored"

    def _remedy(self, found: Scan, content: bytes) -> str:
        """Return what to do about damage: convert line ends back, or restore; with good lines and none after, go on."""
        path = shlex.quote(str(self.path))
        if b"\r\n" in content and not scan(content.replace(b"\r\n", b"\n")).problem:
            return f"its lines end in CR LF, as a Windows program leaves them; sed -i 's/\\r$//' {path}"
        if not found.lines or found.followed:
            return REMEDY
        cut = f"cp {path} {path}.damaged && truncate -s {found.end} {path}"
        return f"{REMEDY}, or go on with the {len(found.lines)} lines before: {cut}"


def scan(content: bytes, *, before: int = 0) -> Scan:
    """Return the good lines of a journal: each with its checksum, chained to the bytes before it.

    `before` is the CRC-32 of the bytes of the file before `content`.
    """
    lines = content.split(b"\n")
    end, crc = 0, before
    chained = False
    for number, line in enumerate(lines[:-1]):
        problem, linked = _problem(line, crc)
        if not problem and chained and not linked:
            problem = "the line names no line before it, as those above do"
        if problem:
            followed = any(_problem(other, 0)[0] != DAMAGED for other in lines[number + 1 : -1])
            more = " and others follow" if followed and problem == DAMAGED else ""
            return Scan(lines[:number], end, crc, problem + more, followed)
        chained = linked
        crc = zlib.crc32(b"\n", zlib.crc32(line, crc))
        end += len(line) + 1
    return Scan(lines[:-1], end, crc)


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


def _parsed(lines: list[bytes], path: Path) -> Iterator[dict[str, Any]]:
    """Parse good lines: all at once, which is faster, and one by one if that fails."""
    with collection_paused():
        try:
            found = json.loads(b"[" + b",".join(lines) + b"]", parse_constant=_refuse)
        except (ValueError, RecursionError):
            found = []
    if len(found) == len(lines) and all(isinstance(log, dict) for log in found):
        yield from found
        return
    for number, line in enumerate(lines, start=1):
        with records.reading(Path(f"{path}:{number}"), kind="a line of a study's journal", remedy=REMEDY):
            log = json.loads(line, parse_constant=_refuse)
            if not isinstance(log, dict):
                raise TypeError(f"it contains a {type(log).__name__}")
        yield log


@contextmanager
def collection_paused() -> Iterator[None]:
    """Pause the cyclic garbage collector: a million new objects without a cycle would be walked again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _trials_beside(folder: Path) -> str:
    """Return which folders of trials or re-trainings are beside a journal, empty if none."""
    there = [name for name in (TRIALS, CONFIRM) if (folder / name).is_dir() and any((folder / name).iterdir())]
    return " and ".join(f"the trainings in {name}/" for name in there)


def _free(path: Path) -> Path:
    """Return a path, or the first with a number that does not exist."""
    number, place = 1, path
    while place.exists():
        number += 1
        place = path.with_name(f"{path.name}-{number}")
    return place
