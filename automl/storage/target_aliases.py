"""Aliases per target, such as `champion/cpu`: which moves a publication, a promotion and a rollback make.

A target has aliases of its own from the first version that contains its artifact. A new champion takes them over if it
contains the artifact; else they stay, so that the device continues with the last version that was built for it. A
target without an alias of its own has those of the model.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import Any, Final

from automl.storage.alias_history import CHALLENGER, CHAMPION, PREVIOUS, Entry, named, served, target_of, text, without
from automl.storage.layout import TARGET
from automl.study.errors import RegistryError

RECORD: Final = ".json"

TargetsOf = Callable[[int], Collection[str]]
"""Returns the targets whose artifacts a version contains."""
Moves = dict[str, int | None]


def targets_in(manifest: Mapping[str, Any]) -> frozenset[str]:
    """Return the targets whose artifacts a version contains, by its manifest.

    >>> sorted(targets_in({"files": {"target-cpu.xml": "", "target-cpu.json": "", "params.yaml": ""}}))
    ['cpu']
    """
    records = (name for name in manifest["files"] if name.startswith(TARGET) and name.endswith(RECORD))
    return frozenset(name.removeprefix(TARGET).removesuffix(RECORD) for name in records)


def of_publication(number: int, targets: Iterable[str]) -> Moves:
    """Return the moves that make a new version the challenger, of its targets too.

    >>> of_publication(3, {"cpu"})
    {'challenger': 3, 'challenger/cpu': 3}
    """
    return {named(CHALLENGER, target): number for target in ("", *sorted(targets))}


def of_promotion(aliases: Mapping[str, int], number: int, targets: TargetsOf) -> Moves:
    """Return the moves that make a version the champion, also of the targets whose artifacts it contains.

    >>> built = {1: {"cpu", "orin"}, 2: {"cpu"}}
    >>> of_promotion({"champion": 1}, 2, built.__getitem__)
    {'champion': 2, 'previous': 1, 'champion/cpu': 2, 'previous/cpu': 1, 'champion/orin': 1}
    """
    present = aliases.get(CHAMPION)
    moves: Moves = {CHAMPION: number}
    if present is not None:
        moves[PREVIOUS] = present
    for target in sorted(targets(number)):
        moves |= of_target(aliases, number, target, targets)
    for target in sorted(frozenset(targets(present) if present else ()) - frozenset(targets(number))):
        if named(CHAMPION, target) not in aliases:
            moves[named(CHAMPION, target)] = present
    return moves


def of_target(aliases: Mapping[str, int], number: int, target: str, targets: TargetsOf) -> Moves:
    """Return the moves that make a version the champion of a target; none for its champion.

    >>> of_target({"champion": 2, "champion/cpu": 1}, 2, "cpu", lambda _: {"cpu"})
    {'champion/cpu': 2, 'previous/cpu': 1}
    """
    own, before = named(CHAMPION, target), named(PREVIOUS, target)
    if aliases.get(own) == number:
        return {}
    present = aliases.get(own, aliases.get(CHAMPION))
    known = present is not None and present != number and target in targets(present)
    moves: Moves = {own: number}
    if known or before in aliases:
        moves[before] = present if known else None
    return moves


def of_rollback(history: Collection[Entry], aliases: Mapping[str, int], target: str = "", *, folder: Path) -> Moves:
    """Return the moves back to what served before; `folder` is the registry's, for the message.

    Without a target also those of each target that has the same champion, back to what served it before; if nothing
    did, it loses its aliases.

    Raises:
        RegistryError: nothing served before.

    >>> history = [{"moves": {"champion": 1, "champion/cpu": 1}, "kind": "promote"},
    ...            {"moves": {"champion": 2, "previous": 1, "champion/cpu": 2, "previous/cpu": 1}, "kind": "promote"}]
    >>> of_rollback(history, {"champion": 2, "previous": 1, "champion/cpu": 2, "previous/cpu": 1}, "cpu", folder=Path())
    {'champion/cpu': 1, 'previous/cpu': None}
    """
    left = aliases.get(named(CHAMPION, target))
    line = without(served(history, aliases, target), [left])
    if left is None or not line:
        raise _none_before(folder, aliases, target)
    moves = _back(line, target)
    if not target:
        same = sorted(
            target_of(alias) for alias, at in aliases.items() if at == left and alias.startswith(f"{CHAMPION}/")
        )
        for one in same:
            moves |= _back(without(served(history, aliases, one), [left]), one)
    return moves


def require(built: Collection[str], target: str, *, folder: Path) -> None:
    """Check that a version, whose folder is for the message, contains the artifact of a target.

    Raises:
        RegistryError: it does not.
    """
    if target not in built:
        raise RegistryError(
            f"{folder}: must contain the artifact of target {target}, but contains those of "
            f"{', '.join(sorted(built)) or 'none'}; a version contains an artifact that passed its gates"
        )


def _none_before(folder: Path, aliases: Mapping[str, int], target: str) -> RegistryError:
    """Return the error of a rollback where no version served before."""
    whom, option = (f" of target {target}", f" --target {target}") if target else ("", "")
    return RegistryError(
        f"{folder}: must have a previous champion{whom} to roll back to, but has "
        f"{text(aliases) or 'none'}; name a version: automl promote {quote(str(folder))} --version NUMBER{option} "
        "--why WHY"
    )


def _back(line: list[int], target: str) -> Moves:
    back = line[-1] if line else None
    before = line[-2] if len(line) > 1 else None
    return {named(CHAMPION, target): back, named(PREVIOUS, target): before}


def refuse_moved(
    folder: Path, aliases: Mapping[str, int], number: int, *, instead_of: int | None, target: str = ""
) -> None:
    """Refuse a promotion in place of another version than that which serves now, of a target if it is given.

    Raises:
        RegistryError: `instead_of`, 0 for none, is not the champion any more, and neither is the version itself.
    """
    alias = named(CHAMPION, target)
    serving = aliases.get(alias, 0)
    if instead_of is not None and serving not in {instead_of, number}:
        raise RegistryError(
            f"{folder}: must have version {instead_of or 'none'} as {alias}, since version {number} was compared with "
            f"that one, but has {serving or 'none'}: another process moved it meanwhile; compare them again: automl "
            "resume, or automl diff and automl promote"
        )
