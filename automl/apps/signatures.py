"""Signatures of a registry's versions, and their check with a public key."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl.storage import signature_files
from automl.storage.registry import CHAMPION, Registry


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature of a version."""

    version: int
    key: str
    """SHA-256 of the public key."""
    at: str
    """UTC, ISO 8601."""
    by: str
    file: Path
    checked: bool = False
    """It is one with the public key that was given."""
    reason: str = ""
    """Why it is none with that key."""


def read(registry: Registry, key: Path | None = None) -> tuple[Signature, ...]:
    """Return the signatures of all versions, oldest first, checked with a public key if one is given.

    Raises:
        RegistryError: the history is damaged, or the key cannot be used.
    """
    listed = signature_files.listed(registry.history())
    found = (Signature(one.version, one.key, one.at, one.by, one.path(registry.folder)) for one in listed)
    return tuple(_checked(registry, one, key) if key else one for one in found)


def _checked(registry: Registry, found: Signature, key: Path) -> Signature:
    from automl.release.signature import problem  # noqa: PLC0415  (an optional package)

    reason = problem(registry.path(found.version), found.file, key) if found.file.is_file() else "it is missing"
    return Signature(found.version, found.key, found.at, found.by, found.file, not reason, reason)


def problems(registry: Registry, signatures: Sequence[Signature], key: Path) -> list[str]:
    """Return what is wrong if a champion, of the model or of a target, has no signature with a public key.

    `signatures` were checked with it.
    """
    served = {number for alias, number in registry.aliases().items() if alias.partition("/")[0] == CHAMPION}
    return [problem for number in sorted(served) if (problem := _unsigned(registry, number, signatures, key))]


def _unsigned(registry: Registry, number: int, signatures: Sequence[Signature], key: Path) -> str:
    ours = [one for one in signatures if one.version == number]
    if any(one.checked for one in ours):
        return ""
    found = "; ".join(dict.fromkeys(one.reason for one in ours)) or "has no signature"
    return f"{registry.path(number)}: must be signed with {key}, but {found}; sign it: automl sign"
