"""Data set given as a folder or an archive: find its one `data.yaml`, and unpack the archive."""

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from automl.data import annotations
from automl.study.errors import DataError

PART: Final = ".part"


def yaml_of(place: Path, *, unpacked: Path) -> Path:
    """Return the `data.yaml` for a path: the file itself, or that of a folder or of an archive.

    An archive is unpacked into the folder `unpacked`, once.

    Raises:
        DataError: there is none, there are several, or the file is in another format.
    """
    if place.is_dir():
        return _of_folder(place, place)
    if not place.is_file() or place.suffix.lower() in {".yaml", ".yml"}:
        return place
    if zipfile.is_zipfile(place) or tarfile.is_tarfile(place):
        _unpack(place, unpacked)
        return _of_folder(unpacked, place)
    if remedy := annotations.foreign(place):
        raise DataError(f"{place}: must be the data.yaml of a data set in YOLO's format, but {remedy}")
    return place


def _of_folder(folder: Path, named: Path) -> Path:
    """Return the one YAML file of a folder, or of its subfolders if it contains none itself."""
    found: list[Path] = []
    for pattern in ("*.yaml", "*.yml"):
        found = found or _visible(folder, folder.glob(pattern)) or _visible(folder, folder.rglob(pattern))
    if len(found) > 1:
        found = [path for path in found if path.stem in {named.stem, "data"}] or found
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(str(path.relative_to(folder)) for path in found[:5])
        raise DataError(
            f"{named}: must contain one data.yaml, but contains {len(found)} YAML files: {listed}; pass one of them"
        )
    remedy = annotations.foreign(folder)
    hint = remedy or "write one with train, val and names"
    raise DataError(f"{named}: must contain a data.yaml with its splits and classes, but contains none; {hint}")


def _visible(folder: Path, paths: object) -> list[Path]:
    found = sorted(paths)  # type: ignore[call-overload]
    return [path for path in found if not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)]


def _unpack(archive: Path, target: Path) -> None:
    """Unpack an archive atomically: the folder exists only once it is complete."""
    if target.is_dir():
        return
    part = target.with_name(target.name + PART)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(part)
        else:
            with tarfile.open(archive) as packed:
                packed.extractall(part, filter="data")
    except (OSError, zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError, EOFError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise DataError(
            f"{archive}: must be an archive that can be unpacked, but {error}; unpack it manually"
        ) from None
    part.rename(target)
