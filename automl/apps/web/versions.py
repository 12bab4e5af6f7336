"""A version for the page of results: its verdict, its kept detections, its bundle, and its loaded model."""

import tempfile
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from automl.apps.registry import Registry
from automl.apps.serve import version as served_version
from automl.apps.serve.version import Served
from automl.apps.version_diff import json_of
from automl.storage.layout import SPEC, VERDICT
from automl.storage.place import Place
from automl.study.errors import AutomlError, RegistryError
from automl.study.verdict import Verdict
from automl.tracking.diagnosis import shipped_model
from automl.tracking.diagnosis.shipped_model import ShippedModel

MOST_LOADED: Final = 2
"""Models in memory."""
IN_MEMORY: Final = 32_000_000
"""Bytes of a bundle that are kept in memory while it is written."""


def verdict_of(folder: Path) -> Verdict | None:
    """Return the verdict in a version's folder; None if it cannot be read."""
    try:
        return Verdict.from_dict(json_of(folder / VERDICT))
    except (AutomlError, TypeError, ValueError, KeyError):
        return None


def shipped(place: Place, verdict: Verdict) -> ShippedModel | None:
    """Return the kept detections of a version from its study, if the study's verdict is still this one."""
    folder = place.study(Path(verdict.study).name)
    if not (folder / SPEC).is_file():
        return None
    latest = verdict_of(folder)
    if latest is None or latest.shipped != verdict.shipped or latest.onnx_score != verdict.onnx_score:
        return None
    return shipped_model.read(folder, verdict)


def bundle(registry: Registry, number: int) -> tempfile.SpooledTemporaryFile[bytes]:
    """Return the files of a version as a ZIP archive, after a check of every byte.

    Raises:
        RegistryError: the version is missing or damaged.
    """
    folder = registry.path(number)
    if problems := registry.stored.verify(number):
        raise RegistryError(*problems)
    out = tempfile.SpooledTemporaryFile[bytes](max_size=IN_MEMORY)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                archive.write(path, f"{registry.name}-{number:04d}/{path.relative_to(folder)}")
    out.seek(0)
    return out


@dataclass(slots=True)
class Loaded:
    """Models for pictures that are tried, the last ones."""

    _models: OrderedDict[tuple[Path, int], Served] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def model(self, registry: Registry, number: int) -> Served:
        """Return a version's model, loaded as for serving.

        Raises:
            RegistryError: it cannot be served.
        """
        key = registry.folder, number
        with self._lock:
            if key not in self._models:
                self._models[key] = served_version.load(registry.stored, number)
            self._models.move_to_end(key)
            while len(self._models) > MOST_LOADED:
                self._models.popitem(last=False)
            return self._models[key]
