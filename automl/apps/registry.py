"""The model registry as the command line and the Python API use it: `automl.Registry(folder)`."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from automl.apps import promotion, signatures
from automl.apps.signatures import Signature
from automl.apps.version_diff import VersionDiff, compare
from automl.storage import alias_history, engine_machine, registry_check
from automl.storage import registry as storage_registry
from automl.storage.layout import ENGINE, ENGINE_FACTS, ONNX, VERDICT
from automl.storage.place import default_storage, registry_folder
from automl.storage.registry import CHAMPION
from automl.study.errors import RegistryError

if TYPE_CHECKING:
    from automl.pipeline.replay import Replay


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves, after a change."""

    name: str
    version: int
    aliases: Mapping[str, int]
    target: str = ""
    """The target that it serves, if only that one was changed."""


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One entry of the history: who moved which alias, when and why."""

    at: str
    """UTC, ISO 8601."""
    by: str
    moves: Mapping[str, int | None]
    """Maps an alias to its version number; None if the alias was removed; empty where a version was signed."""
    why: str
    kind: str = ""
    """`publish`, `promote`, `override`, `rollback` or `sign`; empty in an entry of an earlier version."""
    refused: tuple[str, ...] = ()
    """The gates that an override ignored."""

    def summary(self) -> str:
        """Return the entry as one line of text."""
        override = f"; OVERRIDE, refused by: {'; '.join(self.refused)}" if self.refused else ""
        return f"{self.at} {self.by} {alias_history.text(self.moves) or self.kind}: {self.why}{override}"


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
    signatures: tuple[Signature, ...] = ()
    overrides: tuple[AliasMove, ...] = ()
    """Promotions of versions that their gates refused."""


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
        """Return the mapping of alias to version number; an unset alias is absent.

        Aliases are champion, challenger and previous, and those of targets, such as champion/cpu.
        """
        return self.stored.aliases()

    def path(self, version: int | str = CHAMPION) -> Path:
        """Return the folder of a version, given its number or an alias.

        Raises:
            RegistryError: there is none.
        """
        return self.stored.path(number_or_alias(version))

    def promote(self, version: int | str, *, why: str = "", override: str = "", target: str = "") -> Champion:
        """Promote a version to champion manually, with a target only there; the reason is recorded in the history.

        A version that its gates refused needs `override` in place of `why`: a reason that is shown with it for ever.

        Raises:
            RegistryError: there is no such version, it is damaged, its gates refused it, or no reason is given.
        """
        number = int(self.stored.path(number_or_alias(version), target=target).name)
        promotion.promote(self.stored, number, why=why, override=override, target=target)
        return Champion(self.name, number, self.aliases, target)

    def rollback(self, *, why: str, target: str = "") -> Champion:
        """Restore the champion before the current one, with a target only there; repeat it to go further back.

        Raises:
            RegistryError: no version served before, it is damaged, or no reason is given.
        """
        promotion.require_reason(why)
        return Champion(self.name, self.stored.rollback(why=why, target=target), self.aliases, target)

    def sign(self, version: int | str = CHAMPION, *, key: Path | str) -> str:
        """Sign a version with a private key, an elliptic-curve key in PEM; return the SHA-256 of its public key.

        Raises:
            RegistryError: there is no such version, it is damaged, or the key cannot be used.
        """
        from automl.release import signature  # noqa: PLC0415  (an optional package)

        return self.stored.sign(int(self.path(version).name), lambda folder: signature.sign(folder, Path(key)))

    def diff(self, before: int | str, after: int | str) -> VersionDiff:
        """Return what differs between two versions.

        Raises:
            RegistryError: a version is missing or damaged.
        """
        return compare(self.stored, int(self.path(before).name), int(self.path(after).name))

    def card(self, version: int | str = CHAMPION, *, lang: str = "en") -> str:
        """Return the model card of a version in a language, `en` or `zh`, with its overrides and signatures.

        Raises:
            AutomlError: there is no such version or language, it is damaged, or an earlier program published it.
        """
        from automl.apps.card import card_of  # noqa: PLC0415  (templates, which a server does not need)

        return card_of(self.stored, int(self.path(version).name), lang=lang)

    def replay(
        self,
        version: int | str = CHAMPION,
        *,
        data: Path | str | None = None,
        storage: Path | str | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> "Replay":
        """Train a version again in a fresh process and compare the learning curves, bit for bit.

        `data` is its data set, if that is not where the description says; `storage` contains the study with the files
        that the training began with, by default the storage of this registry. `say` gets each line of progress.

        Raises:
            AutomlError: the version does not record what is needed, the data set is another, or the training failed.
        """
        from automl.pipeline.replay import replay  # noqa: PLC0415  (a trainer, which a server does not need)

        place = Path(storage).absolute() if storage else self.folder.parents[1]
        number = int(self.path(version).name)
        return replay(self.stored, number, storage=place, data=Path(data) if data else None, say=say)

    def verify(self, *, key: Path | str | None = None) -> Verification:
        """Check every byte of all versions against their manifests, and the aliases against the history.

        With a public key the signatures too: the champion must have one with it.

        Raises:
            RegistryError: the aliases or the history cannot be read; the message names all problems.
        """
        problems = tuple(registry_check.problems(self.stored))
        try:
            aliases, history = self.aliases, tuple(self.history())
        except RegistryError:
            raise RegistryError(*problems) from None
        found = signatures.read(self.stored, Path(key) if key else None)
        if key:
            problems += tuple(signatures.problems(self.stored, found, Path(key)))
        notes = (*registry_check.notes(self.stored), *(engine_note(self.stored) if not problems else ()))
        overrides = tuple(move for move in history if move.refused)
        return Verification(self.name, tuple(self.versions), aliases, problems, history, notes, found, overrides)

    def history(self) -> list[AliasMove]:
        """Return who moved which alias, when and why, oldest first.

        Raises:
            RegistryError: an entry cannot be read.
        """
        return [
            AliasMove(
                entry["at"],
                entry["by"],
                entry["moves"],
                entry["why"],
                entry.get("kind", ""),
                tuple(entry.get("refused", ())),
            )
            for entry in self.stored.history()
        ]


def engine_note(registry: storage_registry.Registry) -> Iterator[str]:
    """Yield why the engine of the champion does not serve on this machine, if it has one."""
    number = registry.aliases().get(CHAMPION)
    engine = registry.path(number) / ENGINE if number else None
    if engine is None or not engine.is_file():
        return
    verdict, facts = (path.read_bytes() if (path := engine.with_name(name)).is_file() else None
                      for name in (VERDICT, ENGINE_FACTS))  # fmt: skip
    found, score = engine_machine.recorded(verdict, facts)
    if why := engine_machine.unusable(found, score=score):
        yield f"{engine}: does not serve on this machine, {ONNX} does: {why}"


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
    """Return the folder of a registry, given the folder or the registry's name in a storage.

    Raises:
        RegistryError: a version is named.
        StudyError: there is no such registry.
    """
    name, at, _ = str(model).rpartition("@")
    if at and not model.exists():
        raise RegistryError(f"{model}: must name a model without a version here, but has an @; pass {name}")
    return registry_folder(model, (storage or default_storage()).absolute())


def referred(model: str, version: str | None, storage: Path | None) -> tuple[Path, str]:
    """Return folder and version of MODEL, MODEL@ALIAS or MODEL@NUMBER; the champion where none is named.

    Raises:
        RegistryError: the version is named twice, or nothing is after the @.
        StudyError: there is no such registry.
    """
    name, at, wanted = model.rpartition("@")
    if not at or Path(model).exists():
        return named(Path(model), storage), version or CHAMPION
    if not wanted:
        raise RegistryError(f"{model}: must name a version number or an alias after the @, but names none; omit the @")
    if version is not None and version != wanted:
        raise RegistryError(f"--version: must not be given with {model}, which names one, but got {version}; omit one")
    return named(Path(name), storage), wanted


def number_or_alias(version: int | str) -> int | str:
    """Return the version number in a text; an alias stays unchanged.

    >>> number_or_alias("3"), number_or_alias("champion")
    (3, 'champion')
    """
    return int(version) if isinstance(version, str) and re.fullmatch("[0-9]{1,9}", version) else version
