"""History of a data set's labels: one change a line, append-only, sealed and chained as the lines of a journal are.

A line that is changed, gone, doubled or exchanged is found.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from automl.storage import files, journal_format
from automl.study.errors import DataError

LONGEST: Final = 200
"""Maximum length of a person's name and of a reason."""


class Kind(StrEnum):
    """What a line of the history records."""

    EDIT = "edit"
    UNDO = "undo"
    OUTSIDE = "outside"
    """The file was changed by another program since the line before of the image."""
    REVIEW = "review"
    """A person's answer on a suspect label; the label stays as it is."""
    MOVE = "move"
    """An image that waited got its split."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history."""

    number: int
    """1 for the first."""
    at: str
    """UTC, ISO 8601."""
    by: str
    image: str
    """Path of the image, relative to the folder of the `data.yaml` if it is in it."""
    kind: Kind
    why: str = ""
    before: str | None = None
    """Label text before; None where there was no label file."""
    after: str | None = None
    to: str = ""
    """New path of a moved image; id of a suspect of a review."""


@dataclass(slots=True)
class History:
    """The history in a file; `refresh` reads what others have appended."""

    path: Path
    changes: list[Change] = field(default_factory=list)
    _end: int = 0
    _crc: int = 0

    def refresh(self) -> None:
        """Read the lines that were appended since the last time.

        An incomplete last line of a killed writer is left out, and cut off by the next `append`.

        Raises:
            DataError: a line is damaged, or the file has become shorter.
        """
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self._end:
                    raise self._damaged(len(self.changes), "lines are gone")
                file.seek(self._end)
                held = file.read()
        except FileNotFoundError:
            if self._end:
                raise self._damaged(len(self.changes), "the file is gone") from None
            return
        self._add(held)

    def _add(self, lines: bytes) -> None:
        """Take the whole lines that follow those before."""
        found = journal_format.scan(lines, before=self._crc)
        for line in lines[: found.end].splitlines():
            number = len(self.changes) + 1
            try:
                row = json.loads(line)
                del row["prev"], row["crc"]
                self.changes.append(Change(**{**row, "number": number, "kind": Kind(row["kind"])}))
            except (ValueError, TypeError, KeyError) as error:
                raise self._damaged(number, str(error)) from None
        self._end, self._crc = self._end + found.end, found.crc
        if found.problem:
            raise self._damaged(len(self.changes) + 1, found.problem)

    def append(self, row: Mapping[str, Any]) -> Change:
        """Append a change: `by`, `image`, `kind` and what else it has; the caller holds the lock and has refreshed."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = journal_format.sealed({"at": now, **row}, self._crc)
        files.append(self.path, line, end=self._end)
        self._add(line)
        return self.changes[-1]

    def last(self, image: str) -> Change | None:
        """Return the last change of an image's label file."""
        texts = (change for change in reversed(self.changes) if change.image == image and change.kind != Kind.REVIEW)
        return next(texts, None)

    def undoable(self, image: str) -> Change | None:
        """Return the change of an image that an undo takes back: the last that was not taken back."""
        stack = list[Change]()
        for change in self.changes:
            if change.image != image:
                continue
            if change.kind is Kind.UNDO and stack:
                stack.pop()
            elif change.kind is Kind.EDIT:
                stack.append(change)
            elif change.kind in {Kind.OUTSIDE, Kind.MOVE}:
                stack.clear()
        return stack[-1] if stack else None

    def _damaged(self, number: int, reason: str) -> DataError:
        return DataError(
            f"{self.path}:{number}: must be a line of the history with its seal, but {reason}; restore the file from a "
            "copy, or move it away: labels are not touched, and a new history begins"
        )
