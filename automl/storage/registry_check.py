"""Check of a whole registry: versions, manifests, aliases and history, and whether they agree."""

from collections import Counter
from collections.abc import Iterator

from automl.storage import move_log, signature_files, version_folder
from automl.storage.layout import ALIASES, HISTORY, MANIFEST, VERSIONS
from automl.storage.registry import Registry
from automl.study.errors import RegistryError


def problems(registry: Registry) -> list[str]:
    """Return what is damaged, empty if everything is as published; changes nothing."""
    return [*_versions(registry), *_records(registry)]


def notes(registry: Registry) -> list[str]:
    """Return what was left out and is no damage: entries among the versions that are none, an incomplete line."""
    found = [f"{path}: is no version and is left out" for path in registry.skipped()]
    path = registry.folder / HISTORY
    if move_log.incomplete(path):
        found.append(f"{path}: its incomplete last line is left out")
    found += signature_files.unlisted(registry.folder, signature_files.listed(registry.history()))
    return found


def _versions(registry: Registry) -> Iterator[str]:
    names: dict[int, str] = {}
    for number in registry.versions():
        try:
            names[number] = registry.manifest(number)["name"]
            yield from registry.verify(number)
        except RegistryError as error:
            yield str(error)
    usual = Counter(names.values()).most_common(1)
    for number, name in names.items():
        if name != usual[0][0]:
            path = registry.path(number) / MANIFEST
            yield f"{path}: must be that of a version of {usual[0][0]}, but is of {name}; restore it from a copy"


def _records(registry: Registry) -> Iterator[str]:
    try:
        aliases, moves = registry.records()
    except RegistryError as error:
        yield str(error)
        return
    signatures = signature_files.listed(moves)
    yield from signature_files.problems(registry.folder, signatures)
    versions = registry.versions()
    for alias, number in aliases.items():
        if number not in versions:
            yield (
                f"{registry.folder / ALIASES}: {alias} must be a version that is there, but version {number} is not; "
                "restore it from a copy, or promote another one"
            )
    known = {number for entry in moves for number in entry["moves"].values() if number} - {*aliases.values()}
    known |= {signature.version for signature in signatures}
    for number in sorted(known - {*versions}):
        folder = registry.folder / VERSIONS / version_folder.named(number)
        if folder.exists():
            yield f"{folder / MANIFEST}: is missing; restore it from a copy, or remove the folder"
