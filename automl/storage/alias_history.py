"""Champions of the past, derived from a registry's history: the targets of a rollback."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"


class Move(StrEnum):
    """What moved the aliases."""

    PUBLISH = "publish"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


def served(history: Iterable[Mapping[str, Any]], aliases: Mapping[str, int]) -> list[int]:
    """Return the versions that served and were not rolled back from, oldest first, the champion last.

    A version that was rolled back is not in the list until it is promoted again. A move that was recorded but never
    made, since its writer was killed, is ignored: the aliases decide.

    >>> moves = [{"moves": {"champion": 1}}, {"moves": {"champion": 2, "previous": 1}, "kind": "promote"}]
    >>> served(moves, {"champion": 2, "previous": 1})
    [1, 2]
    >>> served([*moves, {"moves": {"champion": 1, "previous": None}, "kind": "rollback"}], {"champion": 1})
    [1]
    """
    champion, found = aliases.get(CHAMPION), [number for name in (PREVIOUS, CHAMPION) if (number := aliases.get(name))]
    line: list[int] = []
    for entry in history:
        line = _after(line, entry)
        if line and line[-1] == champion:
            found = line
    return found


def _after(line: list[int], entry: Mapping[str, Any]) -> list[int]:
    number = entry["moves"].get(CHAMPION)
    if number is None:
        return line
    if not _is_rollback(line, entry):
        before = entry["moves"].get(PREVIOUS)
        return [*(line[: _last(line, before) + 1] if before in line else line), number]
    return without(line, line[_last(line, number) + 1 :]) or [number]


def without(line: Sequence[int], left: Collection[int | None]) -> list[int]:
    """Return the versions that served, less some; consecutive duplicates are merged.

    >>> without([1, 2, 1, 3], [2])
    [1, 3]
    """
    return [number for number, _ in groupby(one for one in line if one not in left)]


def _is_rollback(line: list[int], entry: Mapping[str, Any]) -> bool:
    """Return True if an entry is a rollback; before kinds were recorded, that was an exchange of the last two."""
    if "kind" in entry:
        return bool(entry["kind"] == Move.ROLLBACK)
    return len(line) > 1 and line[-2:] == [entry["moves"][CHAMPION], entry["moves"].get(PREVIOUS)]


def _last(line: list[int], number: int) -> int:
    """Return where a number was last, -1 if nowhere."""
    return max((index for index, one in enumerate(line) if one == number), default=-1)
