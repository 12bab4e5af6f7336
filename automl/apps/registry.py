"""The model registry as the command line and the Python API use it: `automl.Registry(folder)`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from automl.storage import registry as storage_registry
from automl.storage import registry_check
from automl.storage.place import default_storage, registry_folder
from automl.storage.registry import CHAMPION
from automl.study.errors import RegistryError


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves, after a change."""

    name: str
    version: int
    aliases: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One entry of the history: who moved which alias, when and why."""

    at: str
    """UTC, ISO 8601."""
    by: str
    moves: Mapping[str, int | None]
    """Maps an alias to its version number; None if the alias was removed."""
    why: str

    def summary(self) -> str:
        """Return the entry as one line of text."""
        return f"{self.at} {self.by} {dict(self.moves)}: {self.why}"


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a check of every byte of all versions, of the aliases and of the history."""

    name: str
    versions: tuple[int, ...]
    aliases: Mapping[str, int]
    problems: tuple[str, ...]
    """Empty when every file is as published."""
    history: tuple[AliasMove, ...]
    notes: tuple[str, ...] = ()
    """What was left out and is no damage, such as a folder among the versions that is none."""


class Registry:
    """The versions and aliases of one model name, in its folder `models/<name>`."""

    def __init__(self, folder: Path | str) -> None:
        """Open a registry folder.

        Raises:
            RegistryError: the folder contains no version.
        """
        self.stored = stored(folder)
        self.folder = self.stored.folder
        self.name = self.stored.name

    def __repr__(self) -> str:
        """Return the Python expression that opens the registry."""
        return f"automl.Registry({str(self.folder)!r})"

    @property
    def versions(self) -> list[int]:
        """Return the numbers of all versions, oldest first."""
        return self.stored.versions()

    @property
    def aliases(self) -> dict[str, int]:
        """Return the mapping of alias (champion, challenger, previous) to version number; an unset alias is absent."""
        return self.stored.aliases()

    def path(self, version: int | str = CHAMPION) -> Path:
        """Return the folder of a version, given its number or an alias.

        Raises:
            RegistryError: there is none.
        """
        return self.stored.path(number_or_alias(version))

    def promote(self, version: int | str, *, why: str) -> Champion:
        """Promote a version to champion manually; the reason is recorded in the history.

        Raises:
            RegistryError: there is no such version, it is damaged, or no reason is given.
        """
        _require_reason(why)
        number = int(self.path(version).name)
        self.stored.promote(number, why=f"by hand: {why}")
        return Champion(self.name, number, self.aliases)

    def rollback(self, *, why: str) -> Champion:
        """Restore the champion before the current one; repeat it to go further back.

        Raises:
            RegistryError: no version served before, it is damaged, or no reason is given.
        """
        _require_reason(why)
        return Champion(self.name, self.stored.rollback(why=why), self.aliases)

    def verify(self) -> Verification:
        """Check every byte of all versions against their manifests, and the aliases against the history.

        Raises:
            RegistryError: the aliases or the history cannot be read; the message names all problems.
        """
        problems = tuple(registry_check.problems(self.stored))
        try:
            aliases, history = self.aliases, tuple(self.history())
        except RegistryError:
            raise RegistryError("\n".join(problems)) from None
        notes = tuple(registry_check.notes(self.stored))
        return Verification(self.name, tuple(self.versions), aliases, problems, history, notes)

    def history(self) -> list[AliasMove]:
        """Return who moved which alias, when and why, oldest first.

        Raises:
            RegistryError: an entry cannot be read.
        """
        return [
            AliasMove(at=entry["at"], by=entry["by"], moves=entry["moves"], why=entry["why"])
            for entry in self.stored.history()
        ]


def _require_reason(why: str) -> None:
    if not why.strip():
        raise RegistryError(f"why: must be a reason for the history, but got {why!r}; pass --why")


def stored(folder: Path | str) -> storage_registry.Registry:
    """Return the registry in a folder.

    Raises:
        RegistryError: the folder contains no version.
    """
    path = Path(folder).absolute()
    registry = storage_registry.Registry(path.parent, path.name)
    if not registry.versions():
        raise RegistryError(f"{folder}: must be a registry folder, models/<name>, but contains no version")
    return registry


def named(model: Path, storage: Path | None) -> Path:
    """Return the folder of a registry, given the folder or the registry's name in a storage."""
    return registry_folder(model, (storage or default_storage()).absolute())


def referred(model: str, version: str | None, storage: Path | None) -> tuple[Path, str]:
    """Return folder and version of MODEL, MODEL@ALIAS or MODEL@NUMBER; the champion where none is named.

    Raises:
        RegistryError: the version is named twice.
        StudyError: there is no such registry.
    """
    name, at, wanted = model.rpartition("@")
    if not at or Path(model).exists():
        return named(Path(model), storage), version or CHAMPION
    if version is not None and version != wanted:
        raise RegistryError(f"--version: must not be given with {model}, which names one, but got {version}; omit one")
    return named(Path(name), storage), wanted or CHAMPION


def number_or_alias(version: int | str) -> int | str:
    """Return the version number in a text; an alias stays unchanged.

    >>> number_or_alias("3"), number_or_alias("champion")
    (3, 'champion')
    """
    return int(version) if isinstance(version, str) and re.fullmatch("[0-9]{1,9}", version) else version
