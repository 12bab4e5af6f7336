"""Model registry on disk: immutable versions, three aliases moved in one rename, an append-only history.

models/<name>/versions/0003/   weights, exports, params, promotion and a manifest with the SHA-256 of each file
models/<name>/aliases.json     champion, challenger, previous: version numbers
models/<name>/history.jsonl    who moved which alias when, and why
"""

import getpass
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from automl.storage import files as storage_files
from automl.storage.alias_history import CHALLENGER, CHAMPION, PREVIOUS, Move, served, without
from automl.storage.layout import ALIASES, HISTORY, MANIFEST, VERSIONS
from automl.study.errors import RegistryError

__all__ = ["CHALLENGER", "CHAMPION", "PREVIOUS", "Registry"]


class Registry:
    """The versions of one model name."""

    def __init__(self, root: Path, name: str) -> None:
        """Open `root/name`, which need not exist yet."""
        self.folder = root / name
        self.name = name

    def aliases(self) -> dict[str, int]:
        """Return the version number of each alias; an unset alias is absent."""
        path = self.folder / ALIASES
        found = _json(path) if path.exists() else {}
        if not isinstance(found, dict) or not all(type(number) is int for number in found.values()):
            raise RegistryError(
                f"{path}: must map aliases to version numbers, but got {found!r}; restore it from a copy"
            )
        return found

    def versions(self) -> list[int]:
        """Return the numbers of all versions, oldest first."""
        return sorted(
            int(path.name)
            for path in (self.folder / VERSIONS).glob("[0-9]*")
            if path.name.isdecimal() and path.is_dir()
        )

    def path(self, version: int | str) -> Path:
        """Return the folder of a version, given its number or an alias.

        Raises:
            RegistryError: there is none.
        """
        number = self.aliases().get(version) if isinstance(version, str) else version
        folder = self.folder / VERSIONS / f"{number or 0:04d}"
        if number is None or not folder.is_dir():
            held = self.aliases() or "nothing"
            raise RegistryError(f"{self.folder}: must contain {version!r}, but has {held}; run a search and promote it")
        return folder

    def publish(self, files: Mapping[str, Path], documents: Mapping[str, Any]) -> int:
        """Add a version with copies of `files` and with `documents` as JSON, and set it as challenger.

        Idempotent: the same files again return their existing version. Returns the version's number.
        """
        with storage_files.locked(self.folder):
            digests = {name: storage_files.sha256(path) for name, path in sorted(files.items())}
            for number in reversed(self.versions()):
                if {name: self.manifest(number)["files"].get(name) for name in digests} == digests:
                    self._move({CHALLENGER: number}, why=f"version {number} published again", kind=Move.PUBLISH)
                    return number
            number = max(self.versions(), default=0) + 1
            self._write(number, files, documents)
            self._move({CHALLENGER: number}, why=f"version {number} published", kind=Move.PUBLISH)
            return number

    def promote(self, number: int, *, why: str) -> None:
        """Make a version the champion, and the present one the previous; no-op for the champion."""
        self.path(number)
        with storage_files.locked(self.folder):
            champion = self.aliases().get(CHAMPION)
            if champion != number:
                moves = {CHAMPION: number} if champion is None else {CHAMPION: number, PREVIOUS: champion}
                self._move(moves, why=why, kind=Move.PROMOTE)

    def rollback(self, *, why: str) -> int:
        """Make the version that served before the champion again; return its number.

        A further rollback goes one version further back, never to a version that was rolled back. `previous` is set to
        the version before.

        Raises:
            RegistryError: no version served before.
        """
        with storage_files.locked(self.folder):
            aliases = self.aliases()
            line = without(served(self.history(), aliases), [aliases.get(CHAMPION)])
            if not line:
                raise RegistryError(
                    f"{self.folder}: must have a previous champion to roll back to, but has "
                    f"{aliases or 'no champion'}; name a version: automl promote --version NUMBER --why WHY"
                )
            *before, back = line
            self._move({CHAMPION: back, PREVIOUS: before[-1] if before else None}, why=why, kind=Move.ROLLBACK)
            return back

    def manifest(self, number: int) -> dict[str, Any]:
        """Return the manifest of a version.

        Raises:
            RegistryError: it is missing or damaged.
        """
        path = self.path(number) / MANIFEST
        manifest = _json(path)
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
            raise RegistryError(f"{path}: must list the files of the version, but does not; restore it from a copy")
        return manifest

    def verify(self, number: int) -> list[str]:
        """Return the problems of a version's files, empty if every byte is as published."""
        folder = self.path(number)
        listed = self.manifest(number)["files"]
        there = {path.name for path in folder.iterdir()} - {MANIFEST}
        problems = [f"{folder / name}: is missing" for name in sorted(set(listed) - there)]
        problems += [f"{folder / name}: was added later" for name in sorted(there - set(listed))]
        for name in sorted(set(listed) & there):
            if not (folder / name).is_file():
                problems.append(f"{folder / name}: is not a file")
            elif (found := storage_files.sha256(folder / name)) != listed[name]:
                problems.append(f"{folder / name}: SHA-256 must be {listed[name]}, but is {found}")
        return problems

    def history(self) -> list[dict[str, Any]]:
        """Return all moves, oldest first; a partial last line of a killed writer is ignored."""
        return [_entry(line, self.folder / HISTORY) for line in self._history().splitlines()]

    def _history(self) -> bytes:
        path = self.folder / HISTORY
        content = path.read_bytes() if path.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    def _write(self, number: int, files: Mapping[str, Path], documents: Mapping[str, Any]) -> None:
        versions = self.folder / VERSIONS
        versions.mkdir(parents=True, exist_ok=True)
        for stale in versions.glob(".draft-*"):  # of a killed writer; this process has the lock
            shutil.rmtree(stale, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(dir=versions, prefix=".draft-"))
        try:
            for name, source in files.items():
                storage_files.copy(source, draft / name)
            for name, content in documents.items():
                storage_files.write_json(draft / name, content)
            listed = {path.name: storage_files.sha256(path) for path in sorted(draft.iterdir())}
            storage_files.write_json(draft / MANIFEST, {"name": self.name, "version": number, "files": listed})
            for path in draft.iterdir():
                storage_files.set_mode(path, 0o444)
            storage_files.set_mode(draft, 0o755)
            draft.rename(versions / f"{number:04d}")
            storage_files.sync_folder(versions)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def _move(self, moves: Mapping[str, int | None], *, why: str, kind: Move) -> None:
        """Record a move, then make it; an alias moved to None is deleted."""
        aliases = {name: number for name, number in (self.aliases() | dict(moves)).items() if number is not None}
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "by": f"{_user()}@{socket.gethostname()}",
            "kind": str(kind),
            "moves": dict(moves),
            "why": why,
        }
        storage_files.write_bytes(self.folder / HISTORY, self._history() + json.dumps(entry).encode() + b"\n")
        storage_files.write_json(self.folder / ALIASES, aliases)


def _json(path: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RegistryError(
            f"{path}: must be readable JSON, but {getattr(error, 'strerror', None) or error}; restore it from a copy"
        ) from None


def _entry(line: bytes, path: Path) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise RegistryError(f"{path}: each line must be JSON, but {error}; restore it from a copy") from None
    return entry


def _user() -> str:
    """Return the user name; in a container the user's number may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
