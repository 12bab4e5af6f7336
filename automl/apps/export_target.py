"""Export target of `automl export`: the file format by suffix, and paths that must not be overwritten."""

import os
from pathlib import Path
from typing import Final

from automl.release import tensorrt_builder
from automl.storage import files
from automl.storage.layout import BEST, ENGINE, ONNX
from automl.storage.registry import Registry
from automl.study.errors import ExportError

SOURCES: Final = {Path(name).suffix: name for name in (ONNX, ENGINE, BEST)}
"""Maps the suffix of a target to a file of the version; an engine is built here, from the ONNX file."""
AUTO: Final = "auto"


def refuse(target: Path, *, builder: str, force: bool) -> None:
    """Check that a target may be written, before anything is built.

    Raises:
        ExportError: its suffix is unknown, it exists, or it belongs to a registry.
    """
    if target.suffix not in SOURCES:
        raise ExportError(
            f"{target}: must end in {', '.join(SOURCES)}, which selects the format, but ends in {target.suffix!r}"
        )
    if builder != AUTO and target.suffix != Path(ENGINE).suffix:
        raise ExportError(f"{target}: must end in .engine to be built by {builder}, but ends in {target.suffix}")
    refuse_in_registry(target)
    if target.is_dir():
        raise ExportError(f"{target}: must be a file, but is a folder")
    if os.path.lexists(target) and not force:
        raise ExportError(
            f"{target}: must be a new file, but exists; choose another name, or pass --force to replace it"
        )


def refuse_in_registry(target: Path) -> None:
    """Check that a path is outside of every registry.

    Raises:
        ExportError: it belongs to one.
    """
    for folder in {*target.absolute().parents, *target.resolve().parents}:
        if Registry(folder.parent, folder.name).versions():
            raise ExportError(f"{target}: must be outside of a registry, but is in {folder}; choose another folder")


def write(version: Path, target: Path, *, builder: str) -> str:
    """Write the format that the suffix of `target` selects; return a one-line summary.

    Raises:
        ExportError: the version does not contain it, or this machine cannot build it.
    """
    if target.suffix == Path(ENGINE).suffix:
        return f"{target}: built by {tensorrt_builder.build_plan(version / ONNX, target.absolute(), wanted=builder)}"
    source = version / SOURCES[target.suffix]
    if not source.is_file():
        raise ExportError(f"{version}: must contain {source.name} to write {target}, but does not")
    files.copy(source, target.absolute())
    return f"{target}: {source.name} of version {int(version.name)}"
