"""Model registry on disk: immutable versions, aliases moved in one rename, a history of all moves.

models/<name>/versions/0003/   weights, exports, params, promotion and a manifest with the SHA-256 of each file
models/<name>/aliases.json     champion, challenger, previous, and such of targets (champion/cpu): version numbers
models/<name>/history.jsonl    who moved which alias when, and why
models/<name>/signatures/      signatures of versions; the history lists them with their SHA-256

Manifests, aliases and history have checksums, and the aliases are what the moves of the history lead to.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from automl.storage import alias_history, move_log, sealed_json, signature_files, version_folder, writer_lock
from automl.storage import files as storage_files
from automl.storage import target_aliases as moves_of
from automl.storage.alias_history import CHALLENGER, CHAMPION, PREVIOUS, Entry, Move
from automl.storage.layout import ALIASES, HISTORY, VERSIONS
from automl.storage.target_aliases import of_promotion, of_publication, of_rollback, of_target, require, targets_in
from automl.study.errors import RegistryError

__all__ = ["CHALLENGER", "CHAMPION", "PREVIOUS", "Registry"]

Texts = Callable[[int], Mapping[str, str]]
"""Files of a new version, name to content, given its number."""

LINES: Final = "lines"
"""Key of the aliases for how many lines the history had when they were written."""
SNAPSHOTS: Final = 20
"""Attempts to read aliases and history while no writer is between them."""


class Registry:
    """The versions of one model name."""

    def __init__(self, root: Path, name: str) -> None:
        """Open `root/name`, which need not exist yet."""
        self.folder = root / name
        self.name = name
        self._writing = False

    def aliases(self) -> dict[str, int]:
        """Return the version number of each alias; an unset alias is absent.

        Raises:
            RegistryError: they are damaged, or missing although there are versions or moves.
        """
        return self._aliases()[0]

    def _aliases(self) -> tuple[dict[str, int], int | None]:
        """Return the aliases, and how many lines the history had then; None if not recorded."""
        path = self.folder / ALIASES
        if not os.path.lexists(path) and not (self.versions() or self.history()):
            return {}, None
        found, sealed = sealed_json.read(path, remedy=self._remedy)
        lines = found.pop(LINES, None) if sealed else None
        counted = lines is None or type(lines) is int
        if not counted or any(not alias_history.is_alias(k) or not sealed_json.is_number(v) for k, v in found.items()):
            raise RegistryError(
                f"{path}: must map {', '.join(sorted(alias_history.NAMES))} to version numbers, but got "
                f"{sealed_json.shown(found)}; {self._remedy()}"
            )
        return found, lines

    def history(self) -> list[dict[str, Any]]:
        """Return all moves, oldest first; an incomplete last line of a killed writer is left out.

        Raises:
            RegistryError: it is damaged.
        """
        return move_log.read(self.folder / HISTORY)[0]

    def records(self) -> tuple[dict[str, int], tuple[Entry, ...]]:
        """Return the aliases and the moves that led to them.

        Raises:
            RegistryError: one of them is damaged, or they contradict each other.
        """
        for _ in range(SNAPSHOTS):
            recorded, history = self._aliases(), self.history()
            if recorded == self._aliases():
                break
        aliases, lines = recorded
        moves = self._replayed(history).moves(aliases, lines)
        if moves is None:
            raise RegistryError(
                f"{self.folder / ALIASES}: must be what {HISTORY} leads to, but is {aliases}; {self._remedy()}"
            )
        return aliases, moves

    def versions(self) -> list[int]:
        """Return the numbers of all versions, oldest first."""
        return sorted(int(path.name) for path in self._entries() if version_folder.is_version(path))

    def skipped(self) -> list[Path]:
        """Return entries among the versions that are none: empty and foreign folders and files."""
        return sorted(path for path in self._entries() if not version_folder.is_version(path))

    def path(self, version: int | str, *, target: str = "") -> Path:
        """Return the folder of a version, given its number or an alias; with a target the alias is that of the target.

        Raises:
            RegistryError: there is none, or the aliases are not what the history leads to.
        """
        number = alias_history.resolved(self.records()[0], version, target) if isinstance(version, str) else version
        folder = self.folder / VERSIONS / version_folder.named(number if sealed_json.is_number(number) else 0)
        if not sealed_json.is_number(number) or not folder.is_dir():
            raise alias_history.missing(self.folder, version, self.versions(), self.aliases())
        return folder

    def verified(self, version: int | str) -> Path:
        """Return the folder of a version, every byte of which is as published.

        Raises:
            RegistryError: there is none, or it is damaged.
        """
        folder = self.path(version)
        if found := list(version_folder.problems(folder)):
            raise RegistryError(*found)
        return folder

    def manifest(self, number: int) -> dict[str, Any]:
        """Return the manifest of a version.

        Raises:
            RegistryError: it is missing or damaged.
        """
        return version_folder.manifest(self.path(number))[0]

    def targets(self, number: int) -> frozenset[str]:
        """Return the targets whose artifacts a version contains.

        Raises:
            RegistryError: its manifest is missing or damaged.
        """
        return targets_in(self.manifest(number))

    def verify(self, number: int) -> list[str]:
        """Return the problems of a version's files, empty if every byte is as published."""
        return list(version_folder.problems(self.path(number)))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer lock during a block; wait for another writer. The methods that write share it.

        Raises:
            RegistryError: another process writes for minutes.
        """
        if self._writing:
            yield
            return
        with writer_lock.held(self.folder, seconds=writer_lock.LONGEST):
            self._writing = True
            try:
                yield
            finally:
                self._writing = False

    def published(self, files: Mapping[str, Path]) -> int | None:
        """Return the number of the newest version with the same files; None if there is none."""
        digests = {name: storage_files.sha256(path) for name, path in files.items()}
        same = (number for number in reversed(self.versions()) if version_folder.contains(self.path(number), digests))
        return next(same, None)

    def publish(self, files: Mapping[str, Path], documents: Mapping[str, Any], *, texts: Texts = lambda _: {}) -> int:
        """Add a version with copies of `files`, `documents` as JSON and `texts`, and set it as challenger.

        Idempotent: the same files again return their existing version. Returns the version's number.

        Raises:
            RegistryError: aliases or history are damaged.
        """
        with self.writing():
            self.records()
            number, how = self.published(files), "published again"
            if number is None:
                number, how = (
                    version_folder.free_number(self.folder / VERSIONS, self.versions(), self.history()),
                    "published",
                )
                written = {name: storage_files.json_text(content) for name, content in documents.items()}
                written |= texts(number)
                self._begin()
                folder = self.folder / VERSIONS / version_folder.named(number)
                version_folder.add(folder, self.name, files=files, texts=written)
            moves = of_publication(number, self.targets(number))
            self._move(moves, why=f"version {number} {how}", kind=Move.PUBLISH)
            return number

    def promote(self, number: int, *, why: str, instead_of: int | None = None, refused: Sequence[str] = ()) -> None:
        """Make a version the champion, and the present one the previous; no-op for the champion.

        With `instead_of` only if that version is the champion still; 0: only if there is none. `refused` are the
        gates that the version failed: the history then has the promotion as an override of them.

        Raises:
            RegistryError: the version, the aliases or the history are damaged, or another version is the champion.
        """
        self.path(number)
        with self.writing():
            aliases, _ = self.records()
            if aliases.get(CHAMPION) == number:
                return
            moves_of.refuse_moved(self.folder, aliases, number, instead_of=instead_of)
            self.verified(number)
            self._promote(of_promotion(aliases, number, self.targets), why=why, refused=refused)

    def promote_for(
        self, target: str, number: int, *, why: str, instead_of: int | None = None, refused: Sequence[str] = ()
    ) -> None:
        """Make a version the champion of one target alone, as `promote` does; no-op for its champion.

        Raises:
            RegistryError: the version, the aliases or the history are damaged, it has no artifact for the target, or
                another version is the champion there.
        """
        folder = self.path(number)
        with self.writing():
            aliases, _ = self.records()
            moves_of.refuse_moved(self.folder, aliases, number, instead_of=instead_of, target=target)
            self.verified(number)
            require(self.targets(number), target, folder=folder)
            if moves := of_target(aliases, number, target, self.targets):
                self._promote(moves, why=why, refused=refused)

    def rollback(self, *, why: str, target: str = "") -> int:
        """Make the version that served before the champion again, of one target if it is given; return its number.

        Once more goes further back, never to a version that a rollback left. Targets that it served go back too.

        Raises:
            RegistryError: no version served before, or it, the aliases or the history are damaged.
        """
        with self.writing():
            aliases, history = self.records()
            moves = of_rollback(history, aliases, target, folder=self.folder)
            back = [self.verified(number) for number in moves.values() if number]
            self._move(moves, why=why, kind=Move.ROLLBACK)
            return int(back[0].name)

    def _promote(self, moves: Mapping[str, int | None], *, why: str, refused: Sequence[str]) -> None:
        more = {"refused": list(refused)} if refused else {}
        self._move(moves, why=why, kind=Move.OVERRIDE if refused else Move.PROMOTE, **more)

    def sign(self, number: int, signature: Callable[[Path], tuple[bytes, str]]) -> str:
        """Add a signature of a version beside it, and return the identifier of its key.

        `signature` returns the content of the signature of a folder, and the identifier of the key.

        Raises:
            RegistryError: the version, the aliases or the history are damaged.
        """
        with self.writing():
            self.records()
            version_folder.seal(self.path(number))
            content, key = signature(self.verified(number))
            listed = signature_files.write(self.folder, number, content, key=key)
            self._move({}, why=f"version {number} signed", kind=Move.SIGN, signature=listed)
            return key

    def _entries(self) -> list[Path]:
        return [path for path in (self.folder / VERSIONS).glob("*") if not path.name.startswith(".")]

    def _replayed(self, history: list[dict[str, Any]]) -> alias_history.Replay:
        try:
            return alias_history.replay(history)
        except ValueError as error:
            raise RegistryError(f"{self.folder / HISTORY}: {error}; {move_log.REMEDY}") from None

    def _remedy(self) -> str:
        """Return how damaged aliases are mended: from the history, if that is whole."""
        try:
            wanted = json.dumps(dict(self._replayed(self.history()).aliases))
        except RegistryError:
            return "restore it from a copy"
        return f"restore it from a copy, or write into it what {HISTORY} leads to: {wanted}"

    def _begin(self) -> None:
        """Write empty aliases before the first version, so that missing ones are damage from then on."""
        if not os.path.lexists(self.folder / ALIASES):
            sealed_json.write(self.folder / ALIASES, {LINES: 0})

    def _move(self, moves: Mapping[str, int | None], *, why: str, kind: Move, **more: object) -> None:
        """Record a move, then make it; an alias moved to None is taken away."""
        aliases = alias_history.after(self.aliases(), moves)
        entry = move_log.entry({"kind": str(kind), "moves": dict(moves), "why": why, "aliases": aliases, **more})
        _, lines = move_log.read(self.folder / HISTORY)
        content = move_log.extended(lines, entry)
        storage_files.write_bytes(self.folder / HISTORY, content)
        sealed_json.write(self.folder / ALIASES, {**aliases, LINES: content.count(b"\n")})
        for number in self.versions():
            version_folder.seal(self.path(number))
