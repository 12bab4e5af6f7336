"""Replay of a registry's history: what the aliases must be, which versions served, what a rollback returns to."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from automl.study.errors import RegistryError
from automl.study.text import counted

CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
PREVIOUS: Final = "previous"
NAMES: Final = frozenset({CHAMPION, CHALLENGER, PREVIOUS})
LISTED: Final = 20
"""Versions that a message names, the last ones."""
RUN: Final = "run a search and promote it"
OF_TARGET: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
"""A target's name, behind the slash of its alias: `champion/cpu`."""

Entry = Mapping[str, Any]
"""A line of the history, as `move_log` reads it."""


class Move(StrEnum):
    """What moved the aliases."""

    PUBLISH = "publish"
    PROMOTE = "promote"
    OVERRIDE = "override"
    """A promotion by hand of a version that its gates refused; its entry lists them."""
    ROLLBACK = "rollback"
    SIGN = "sign"
    """A signature was added to a version; no alias moved."""


def named(alias: str, target: str = "") -> str:
    """Return the name of an alias, of a target if one is given.

    >>> named("champion"), named("champion", "cpu")
    ('champion', 'champion/cpu')
    """
    return f"{alias}/{target}" if target else alias


def missing(folder: Path, version: int | str, there: Sequence[int], aliases: Mapping[str, int]) -> RegistryError:
    """Return the error of a version that a registry does not have."""
    wanted = f"a version with the alias {version!r}" if isinstance(version, str) else f"version {version}"
    listed = f"{counted(len(there), 'version')}: {', '.join(map(str, there[-LISTED:]))}" if there else "none"
    held = f", and the aliases {text(aliases)}" if aliases else ""
    remedy = f"name one of these, such as {folder.name}@{there[-1]}, or promote it" if there else RUN
    return RegistryError(f"{folder}: must contain {wanted}, but has {listed}{held}; {remedy}")


def text(aliases: Mapping[str, int | str | None]) -> str:
    """Return aliases, or moves of aliases, with their versions as people read them; empty for none.

    >>> text({"champion": 1, "previous": None})
    'champion 1, previous none'
    """
    return ", ".join(f"{alias} {'none' if number is None else number}" for alias, number in aliases.items())


def target_of(alias: str) -> str:
    """Return the target of an alias, empty for one of the model.

    >>> target_of("champion/cpu"), target_of("champion")
    ('cpu', '')
    """
    return alias.partition("/")[2]


def is_alias(name: str) -> bool:
    """Return True for the name of an alias, of the model or of a target.

    >>> [is_alias(name) for name in ("champion", "previous/orin-nx", "best", "champion/", "champion/CPU")]
    [True, True, False, False, False]
    """
    alias, slash, target = name.partition("/")
    return alias in NAMES and (not slash or bool(OF_TARGET.fullmatch(target)))


def resolved(aliases: Mapping[str, int], name: str, target: str = "") -> int:
    """Return the version of an alias, 0 if it is not set; with a target that of the target.

    A target without a champion of its own has the aliases of the model.

    >>> aliases = {"champion": 3, "previous": 2, "champion/cpu": 2}
    >>> [resolved(aliases, name, "cpu") for name in ("champion", "previous")], resolved(aliases, "champion", "orin")
    ([2, 0], 3)
    """
    own = named(name, target)
    if own not in aliases and named(CHAMPION, target) not in aliases:
        own = name
    return aliases.get(own, 0)


@dataclass(frozen=True, slots=True)
class Replay:
    """Result of all moves of a history, one after the other."""

    made: tuple[Entry, ...]
    """The moves that were made, with the last one, which may have been recorded only."""
    aliases: Mapping[str, int]
    before: Mapping[str, int]
    """The aliases before the last move."""
    lines: int
    """Lines of the history."""

    def moves(self, aliases: Mapping[str, int], lines: int | None) -> tuple[Entry, ...] | None:
        """Return the moves that led to these aliases, recorded after so many lines, if known; None if none did.

        A writer that is killed after it recorded a move leaves the aliases as they were before.
        """
        if aliases == self.aliases and lines in {None, self.lines}:
            return self.made
        return self.made[:-1] if aliases == self.before and lines in {None, self.lines - 1} else None


def replay(history: Iterable[Entry]) -> Replay:
    """Apply all moves of a history to no aliases.

    A move that was recorded and never made is left out: the next entry tells which aliases its writer found.

    Raises:
        ValueError: the aliases that an entry recorded do not follow from the entries before.

    >>> moves = [{"moves": {"champion": 1}}, {"moves": {"champion": 2, "previous": 1}}]
    >>> replay(moves).aliases
    {'champion': 2, 'previous': 1}
    >>> replay([*moves, {"moves": {"challenger": 3}, "aliases": {"champion": 1, "challenger": 3}}]).made == (
    ...     {"moves": {"champion": 1}}, {"moves": {"challenger": 3}, "aliases": {"champion": 1, "challenger": 3}})
    True
    """
    made: list[Entry] = []
    number = 0
    aliases: Mapping[str, int] = {}
    before: Mapping[str, int] = {}
    for number, entry in enumerate(history, start=1):
        found = entry.get("aliases", after(aliases, entry["moves"]))
        if found == after(aliases, entry["moves"]):
            before = aliases
            made.append(entry)
        elif found == after(before, entry["moves"]):
            made[-1:] = [entry]
        else:
            raise ValueError(
                f"line {number} leaves the aliases {dict(found)}, which do not follow from the lines before"
            )
        aliases = found
    return Replay(tuple(made), aliases, before, number)


def after(aliases: Mapping[str, int], moves: Mapping[str, int | None]) -> dict[str, int]:
    """Return the aliases after a move; an alias moved to None is taken away.

    >>> after({"champion": 2, "previous": 1}, {"champion": 1, "previous": None})
    {'champion': 1}
    """
    return {name: number for name, number in {**aliases, **moves}.items() if number is not None}


def served(history: Iterable[Entry], aliases: Mapping[str, int], target: str = "") -> list[int]:
    """Return the versions that served and were not rolled back from, oldest first, the champion last.

    A version that was rolled back is not in the list until it is promoted again. A move that was recorded but never
    made, since its writer was killed, is ignored: the aliases decide. With a target those that served it.

    >>> moves = [{"moves": {"champion": 1}}, {"moves": {"champion": 2, "previous": 1}, "kind": "promote"}]
    >>> served(moves, {"champion": 2, "previous": 1})
    [1, 2]
    >>> served([*moves, {"moves": {"champion": 1, "previous": None}, "kind": "rollback"}], {"champion": 1})
    [1]
    """
    names = named(PREVIOUS, target), named(CHAMPION, target)
    champion, found = aliases.get(names[1]), [number for name in names if (number := aliases.get(name))]
    line: list[int] = []
    for entry in history:
        line = _after(line, entry, target)
        if line and line[-1] == champion:
            found = line
    return found


def overrides(history: Iterable[Entry]) -> dict[int, list[Entry]]:
    """Return the promotions against refusing gates by version, oldest first; a later move does not undo them.

    >>> moves = [{"moves": {"champion": 2}, "kind": "override"}, {"moves": {"champion": 1}, "kind": "promote"}]
    >>> overrides(moves).keys()
    dict_keys([2])
    """
    found: dict[int, list[Entry]] = {}
    for entry in history:
        if entry.get("kind") == Move.OVERRIDE:
            moves = entry["moves"]  # of the model's alias, or of a target's alone
            own = next(name for name in (CHAMPION, *moves) if name in moves and name.partition("/")[0] == CHAMPION)
            found.setdefault(moves[own], []).append(entry)
    return found


def override_text(entry: Entry) -> str:
    """Return a promotion against refusing gates as text."""
    target = "" if CHAMPION in entry["moves"] else ", ".join(sorted({target_of(name) for name in entry["moves"]}))
    whom = f" for target {target}" if target else ""
    return f"{entry['at']} by {entry['by']}{whom}: {entry['why']} (refused by: {'; '.join(entry['refused'])})"


def _after(line: list[int], entry: Entry, target: str) -> list[int]:
    own = named(CHAMPION, target)
    number = entry["moves"].get(own)
    if number is None:
        return [] if own in entry["moves"] else line
    if not _is_rollback(line, entry):
        before = entry["moves"].get(named(PREVIOUS, target))
        if target and before and not line:  # served the target as the champion of the model
            return [before, number]
        return [*(line[: _last(line, before) + 1] if before in line else line), number]
    return without(line, line[_last(line, number) + 1 :]) or [number]


def without(line: Sequence[int], left: Collection[int | None]) -> list[int]:
    """Return the versions that served, less some; consecutive duplicates are merged.

    >>> without([1, 2, 1, 3], [2])
    [1, 3]
    """
    return [number for number, _ in groupby(one for one in line if one not in left)]


def _is_rollback(line: list[int], entry: Entry) -> bool:
    """Return True if an entry is a rollback; before kinds were recorded, that was an exchange of the last two."""
    if "kind" in entry:
        return bool(entry["kind"] == Move.ROLLBACK)
    return len(line) > 1 and line[-2:] == [entry["moves"][CHAMPION], entry["moves"].get(PREVIOUS)]


def _last(line: list[int], number: int) -> int:
    """Return where a number was last, -1 if nowhere."""
    return max((index for index, one in enumerate(line) if one == number), default=-1)
