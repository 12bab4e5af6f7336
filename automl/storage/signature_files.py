"""Files of the signatures of versions: beside the versions, which never change, and listed in the history.

models/<name>/signatures/0003-<begin of the file's SHA-256>.json. The history has the SHA-256 of each, so that a changed
signature is found without a key.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.storage import files, sealed_json
from automl.storage.layout import SIGNATURES
from automl.storage.version_folder import SHA256, named

REMEDY: Final = "restore it from a copy"
DIGITS: Final = 12
"""Digits of a SHA-256 in the name of a file: two signatures of one version have two files."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A signature that the history lists."""

    version: int
    sha256: str
    key: str
    """SHA-256 of the public key."""
    at: str
    """UTC, ISO 8601."""
    by: str

    def path(self, folder: Path) -> Path:
        """Return the file of the signature in the folder of a registry."""
        return folder / SIGNATURES / f"{named(self.version)}-{self.sha256[:DIGITS]}.json"


def write(folder: Path, number: int, content: bytes, *, key: str) -> dict[str, Any]:
    """Write a signature into the folder of a registry, and return what the history has to list."""
    digest = hashlib.sha256(content).hexdigest()
    files.write_bytes(Listed(number, digest, key, "", "").path(folder), content)
    return {"version": number, "sha256": digest, "key": key}


def is_listed(plain: object) -> bool:
    """Return True if a value of the history lists a signature."""
    if not isinstance(plain, dict) or set(plain) != {"version", "sha256", "key"}:
        return False
    digests = (plain["sha256"], plain["key"])
    return sealed_json.is_number(plain["version"]) and all(
        isinstance(text, str) and SHA256.fullmatch(text) for text in digests
    )


def listed(history: Iterable[Mapping[str, Any]]) -> list[Listed]:
    """Return the signatures that a history lists, oldest first; the same one again is one."""
    found = {
        (entry["signature"]["version"], entry["signature"]["sha256"]): Listed(
            **entry["signature"], at=entry["at"], by=entry["by"]
        )
        for entry in history
        if "signature" in entry
    }
    return list(found.values())


def problems(folder: Path, signatures: Sequence[Listed]) -> Iterator[str]:
    """Yield the signatures that are missing or damaged."""
    for signature in signatures:
        path = signature.path(folder)
        try:
            found = hashlib.sha256(sealed_json.content(path)).hexdigest()
        except (OSError, ValueError) as error:
            yield f"{path}: must be readable, but {sealed_json.reason(error)}; {REMEDY}"
            continue
        if found != signature.sha256:
            yield f"{path}: SHA-256 must be {signature.sha256}, but is {found}; {REMEDY}"


def unlisted(folder: Path, signatures: Sequence[Listed]) -> list[str]:
    """Return a line on each file among the signatures that the history does not list, as a killed writer leaves."""
    known = {signature.path(folder).name for signature in signatures}
    place = folder / SIGNATURES
    there = sorted(path for path in place.iterdir() if path.name not in known) if place.is_dir() else []
    return [f"{path}: is not listed in the history and is left out" for path in there]
