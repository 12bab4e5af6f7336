"""Lines of a journal file: a checksum per line, chained over all bytes before it, and the recovery of its end.

A line is a JSON object that ends with `"prev"`, the CRC-32 of all bytes of the file before the line, and `"crc"`, that
of the line itself. Lines of earlier versions have no `prev` and are continued by chained ones.
"""

import json
import shlex
import zlib
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from automl.storage import files, records
from automl.storage.journal_format import Scan, scan, sealed, unfinished
from automl.storage.layout import CONFIRM, TRIALS
from automl.storage.outage import need_folder, retry_on_outage
from automl.storage.records import RecordError
from automl.study.errors import StudyError

REMEDY: Final = "nothing was changed; restore the file from a copy, or begin again under another --name"
BLOCK: Final = 1 << 22
"""Bytes of lines that are parsed at once."""
DROPPED: Final = ".dropped."
"""Between the journal's name and the place from which an unfinished append was taken."""


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
            self._logs = _read(path, found.end)
            self.count = found.count
            """Lines that were replayed, or are there to be replayed."""
            if writable:
                self._recover(content[found.end :])
                files.sync_folder(path.parent)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise StudyError(f"{path}: must be a file that can be read and written, but {why}") from None

    def taken(self) -> Iterator[list[dict[str, Any]]]:
        """Return the lines at opening, once, in blocks: they are parsed block by block while they are read.

        Raises:
            RecordError: a line is no JSON object.
        """
        logs, self._logs = self._logs, iter(())
        return logs

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
        found, known = scan(rest, before=self._crc), self.count + len(self._new)
        if found.problem:
            where = f"{self.path}:{known + found.count + 1}"
            raise RecordError(f"{where}: the checksum must match, but {found.problem}; {REMEDY}")
        self._new += chain.from_iterable(_parsed(BytesIO(rest), found.end, self.path))
        self._end, self._crc = self._end + found.end, found.crc

    def since(self, number: int) -> list[dict[str, Any]]:
        """Return the lines appended or followed since, from a number onwards; those before are forgotten."""
        if number < self.count:
            return []
        self._new, self.count = self._new[number - self.count :], number
        return list(self._new)

    def append(self, logs: Iterable[Mapping[str, Any]]) -> None:
        """Append lines with fsync; lines that could not be written completely are removed.

        Raises:
            StudyError: they could not be written, or another process wrote to the file.
        """
        text = self._write(logs)
        # JSON round trip, so that this process sees the same values as a later one.
        self._new += [json.loads(line) for line in text.splitlines()]

    def write(self, logs: Iterable[Mapping[str, Any]]) -> None:
        """Append lines as `append` does; `since` does not return them, the caller applies them."""
        written = self._write(logs).count(b"\n")
        self.count += len(self._new) + written
        self._new = []

    def _write(self, logs: Iterable[Mapping[str, Any]]) -> bytes:
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
        return text

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
            need_folder(self.path.parent)
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
        rest, number = content[found.end :], found.count + 1
        lost = _trials_beside(self.path.parent)
        if not found.count and lost:
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
        if not found.count or found.followed:
            return REMEDY
        cut = f"cp {path} {path}.damaged && truncate -s {found.end} {path}"
        return f"{REMEDY}, or go on with the {found.count} lines before: {cut}"


def _read(path: Path, end: int) -> Iterator[list[dict[str, Any]]]:
    """Parse the good lines of a file: a large journal need not be in memory as text and as objects at once."""
    try:
        with path.open("rb") as file:
            yield from _parsed(file, end, path)
    except OSError as error:
        raise StudyError(f"{path}: must be a file that can be read, but {error.strerror}") from None


def _parsed(file: IO[bytes], end: int, path: Path) -> Iterator[list[dict[str, Any]]]:
    """Parse the good lines, which end at `end`, block by block."""
    number = 1
    while end > 0:
        block = file.read(min(BLOCK, end))
        block += b"" if block.endswith(b"\n") else file.readline()
        if not block:
            raise StudyError(f"{path}: must be only appended to, but was cut while it was read")
        count = block.count(b"\n")
        yield _block(block[:-1], count) or [*_line_by_line(block[:-1].split(b"\n"), path, first=number)]
        end, number = end - len(block), number + count


def _block(block: bytes, count: int) -> list[dict[str, Any]]:
    """Parse so many good lines at once, which is faster and shares their keys; return no line if that fails."""
    try:
        found: list[dict[str, Any]] = json.loads(b"[" + block.replace(b"\n", b",") + b"]", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return []
    return found if len(found) == count and {*map(type, found)} == {dict} else []


def _line_by_line(lines: list[bytes], path: Path, *, first: int) -> Iterator[dict[str, Any]]:
    """Parse good lines one by one."""
    for number, line in enumerate(lines, start=first):
        with records.reading(Path(f"{path}:{number}"), kind="a line of a study's journal", remedy=REMEDY):
            log = json.loads(line, parse_constant=_refuse)
            if not isinstance(log, dict):
                raise TypeError(f"it contains a {type(log).__name__}")
        yield log


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
