"""The folder of a registry version: its files, and the manifest with the SHA-256 of each."""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from automl.storage import files as storage_files
from automl.storage import sealed_json
from automl.storage.layout import MANIFEST
from automl.storage.sealed_json import is_number, shown
from automl.study.errors import RegistryError

LOG: Final = logging.getLogger(__name__)

SHA256: Final = re.compile("[0-9a-f]{64}")
NUMBER: Final = re.compile("[0-9]{4,9}")
REMEDY: Final = "restore it from a copy"


def named(number: int) -> str:
    """Return the name of a version's folder.

    >>> named(3), named(12345)
    ('0003', '12345')
    """
    return f"{number:04d}"


def number_of(name: str) -> int | None:
    """Return the number of the version whose folder has a name; None if no version is named so.

    >>> [number_of(name) for name in ("0003", "12345", "3", "00003", "0000", "0003.bak")]
    [3, 12345, None, None, None, None]
    """
    return int(name) if NUMBER.fullmatch(name) and int(name) and name == named(int(name)) else None


def is_version(path: Path) -> bool:
    """Return True if a path has the name of a version and contains a manifest."""
    return number_of(path.name) is not None and path.is_dir() and os.path.lexists(path / MANIFEST)


def free_number(place: Path, versions: Iterable[int], history: Iterable[Mapping[str, Any]]) -> int:
    """Return the number of the next version in a folder of versions: one that nothing has or had."""
    moved = (number for entry in history for number in entry["moves"].values() if number)
    number = max((*versions, *moved), default=0) + 1
    while os.path.lexists(blocked := place / named(number)):
        LOG.warning(f"{blocked}: is no version, since it has no manifest; its number is skipped")
        number += 1
    return number


def manifest(folder: Path) -> tuple[dict[str, Any], bool]:
    """Return the manifest of a version's folder, and whether it has a checksum.

    Raises:
        RegistryError: it is missing or damaged.
    """
    path = folder / MANIFEST
    found, sealed = sealed_json.read(path, remedy=lambda: REMEDY)
    if not _is_manifest(found):
        raise RegistryError(
            f"{path}: must contain the name, the version and the SHA-256 of its files, but got {shown(found)}; {REMEDY}"
        )
    return found, sealed


def contains(folder: Path, digests: Mapping[str, str]) -> bool:
    """Return True if a version has files of these names and SHA-256; False, with a warning, if it is damaged."""
    try:
        listed = manifest(folder)[0]["files"]
    except RegistryError as error:
        LOG.warning(f"version {number_of(folder.name)} is not compared: {error}")
        return False
    return {name: listed.get(name) for name in digests} == dict(digests)


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the manifest of a version's folder, with a checksum and read-only."""
    sealed_json.write(folder / MANIFEST, content)
    storage_files.set_mode(folder / MANIFEST, storage_files.permitted(0o444))


def add(folder: Path, name: str, *, files: Mapping[str, Path], texts: Mapping[str, str]) -> None:
    """Make the folder of a new version of a model `name`, as a whole or not at all; the caller must hold the lock."""
    versions = folder.parent
    versions.mkdir(parents=True, exist_ok=True)
    for stale in versions.glob(".draft-*"):  # of a killed writer; this process has the lock
        shutil.rmtree(stale, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(dir=versions, prefix=".draft-"))
    try:
        for file, source in files.items():
            storage_files.copy(source, draft / file)
        for file, content in texts.items():
            storage_files.write_text(draft / file, content)
        listed = {path.name: storage_files.sha256(path) for path in sorted(draft.iterdir())}
        for path in draft.iterdir():
            storage_files.set_mode(path, storage_files.permitted(0o444))
        write_manifest(draft, {"name": name, "version": number_of(folder.name), "files": listed})
        storage_files.set_mode(draft, storage_files.permitted(0o755))
        draft.rename(folder)
        storage_files.sync_folder(versions)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def problems(folder: Path) -> Iterator[str]:
    """Yield what differs from the published version.

    Raises:
        RegistryError: the manifest is missing or damaged.
    """
    yield from (_link(place) for place in (folder.parent, folder) if place.is_symlink())
    content, _ = manifest(folder)
    listed = content["files"]
    if content["version"] != number_of(folder.name):
        yield f"{folder / MANIFEST}: must be that of version {folder.name}, but is that of version {content['version']}"
    there = {path.name for path in folder.iterdir()} - {MANIFEST}
    yield from (f"{folder / name}: is missing" for name in sorted(set(listed) - there))
    yield from (f"{folder / name}: was added later" for name in sorted(there - set(listed)))
    for name in sorted(set(listed) & there):
        path = folder / name
        if path.is_symlink():
            yield _link(path)
        elif not path.is_file():
            yield f"{path}: is not a file"
        elif (found := storage_files.sha256(path)) != listed[name]:
            yield f"{path}: SHA-256 must be {listed[name]}, but is {found}"


def seal(folder: Path) -> None:
    """Give the manifest of a whole version a checksum, if an earlier version of the program wrote it without one."""
    try:
        content, sealed = manifest(folder)
        if not sealed and not any(problems(folder)):
            write_manifest(folder, content)
    except RegistryError:
        return  # damaged: `verify` names it, and a checksum would hide it


def _link(path: Path) -> str:
    return f"{path}: must be no link, but leads to {path.readlink()}; replace it by what was published"


def _is_manifest(found: Mapping[str, Any]) -> bool:
    listed = found.get("files")
    if set(found) != {"name", "version", "files"} or not isinstance(found["name"], str) or not isinstance(listed, dict):
        return False
    return is_number(found["version"]) and all(_is_file(name, digest) for name, digest in listed.items())


def _is_file(name: str, digest: object) -> bool:
    plain = name not in {"", ".", ".."} and "/" not in name and name.isprintable()
    return plain and isinstance(digest, str) and SHA256.fullmatch(digest) is not None
