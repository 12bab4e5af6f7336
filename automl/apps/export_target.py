"""Export target of `automl export`: the file format by suffix, and paths that must not be overwritten."""

import os
from pathlib import Path
from typing import Final

from automl.release import tensorrt_builder
from automl.storage import files
from automl.storage.layout import BEST, ENGINE, ONNX
from automl.storage.registry import Registry
from automl.study.errors import ExportError

HELD: Final = {Path(name).suffix: name for name in (ONNX, ENGINE, BEST)}
"""Suffix of a target to the file of a version; an engine is built on this machine, from the ONNX file."""
AUTO: Final = "auto"


def refuse(target: Path, *, builder: str, force: bool) -> None:
    """Check that a target may be written, before anything is built.

    Raises:
        ExportError: its suffix is unknown, it exists, or it belongs to a registry.
    """
    if target.suffix not in HELD:
        raise ExportError(f"{target}: must end in {', '.join(HELD)}, which says what is written, but does not")
    if builder != AUTO and target.suffix != Path(ENGINE).suffix:
        raise ExportError(f"{target}: must end in .engine to be built by {builder}, but ends in {target.suffix}")
    for folder in {*target.absolute().parents, *target.resolve().parents}:
        if Registry(folder.parent, folder.name).versions():
            raise ExportError(f"{target}: must stand outside of a registry, but is in {folder}; choose another place")
    if target.is_dir():
        raise ExportError(f"{target}: must be a file, but is a folder")
    if os.path.lexists(target) and not force:
        raise ExportError(f"{target}: must be a new file, but is there; choose another name, or pass --force")


def write(version: Path, target: Path, *, builder: str) -> str:
    """Write the format that the suffix of `target` selects; return a one-line summary.

    Raises:
        ExportError: the version does not contain it, or this machine cannot build it.
    """
    if target.suffix == Path(ENGINE).suffix:
        return f"{target}: built by {tensorrt_builder.build_plan(version / ONNX, target.absolute(), wanted=builder)}"
    held = version / HELD[target.suffix]
    if not held.is_file():
        raise ExportError(f"{version}: must hold {held.name} to be written to {target}, but does not")
    files.copy(held, target.absolute())
    return f"{target}: {held.name} of version {int(version.name)}"
