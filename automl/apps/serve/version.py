"""A registry version, loaded for inference: the bytes whose SHA-256 was checked are the bytes that run.

A file that changes later changes nothing. A damaged or foreign file is not loaded, and neither is a model that fails
its smoke test: a run on the version's own pictures, or on noise where it has none.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl.apps.serve.backend import opened
from automl.apps.serve.detector import Detector
from automl.apps.serve.images import decode
from automl.apps.serve.refusal import RequestError
from automl.apps.serve.thresholds import Thresholds, recorded
from automl.storage import alias_history
from automl.storage.layout import EVALUATION, SMOKE
from automl.storage.registry import Registry
from automl.study.errors import RegistryError


@dataclass(frozen=True, slots=True)
class Served:
    """A version, loaded and run once."""

    name: str
    number: int
    path: Path
    """The file that runs."""
    manifest: dict[str, Any]
    detector: Detector
    thresholds: Thresholds
    overrides: tuple[str, ...] = ()
    """When, by whom and why the version was promoted although its gates refused it."""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the file that runs."""
        return str(self.manifest["files"][self.path.name])


def load(registry: Registry, version: int | str, *, target: str = "") -> Served:
    """Read a version, check every byte, and run its model on its smoke-test pictures.

    `target` is the target whose artifact runs, and whose alias counts; empty for the ONNX file.

    Raises:
        RegistryError: the version does not exist, a file of it was changed, or it cannot be served.
    """
    folder = registry.path(version, target=target)
    number = int(folder.name)
    if problems := registry.verify(number):
        raise RegistryError(*problems)
    manifest = registry.manifest(number)
    backend = opened(folder, lambda name: _verified(folder / name, manifest), target=target)
    thresholds = recorded(_verified(folder / EVALUATION, manifest), folder / EVALUATION)
    detector = Detector(backend)
    for path, content in _smoke_pictures(folder, manifest):
        _smoke(detector, path, content)
    _, moves = registry.records()
    overrides = tuple(map(alias_history.override_text, alias_history.overrides(moves).get(number, ())))
    return Served(registry.name, number, Path(backend.source), manifest, detector, thresholds, overrides)


def _smoke_pictures(folder: Path, manifest: dict[str, Any]) -> Iterator[tuple[Path, bytes]]:
    """Yield the pictures that the version stores for its smoke test."""
    for name in sorted(manifest["files"]):
        if name.startswith(SMOKE) and (content := _verified(folder / name, manifest)) is not None:
            yield folder / name, content


def _smoke(detector: Detector, path: Path, content: bytes) -> None:
    try:
        picture = decode(content)
    except RequestError as error:
        raise RegistryError(f"{path}: must be a picture for the smoke test, but {error.law}") from None
    detector.check(picture)


def _verified(path: Path, manifest: dict[str, Any]) -> bytes | None:
    """Return the bytes of a file if their SHA-256 is the manifest's; None for a file that the manifest does not list.

    Raises:
        RegistryError: the file was removed or changed since the version was verified.
    """
    listed = manifest["files"].get(path.name)
    if listed is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RegistryError(f"{path}: must be readable, but {error.strerror}; restore it") from None
    if (found := hashlib.sha256(content).hexdigest()) != listed:
        raise RegistryError(f"{path}: SHA-256 must be {listed}, but is {found}; it was changed while it was read")
    return content
