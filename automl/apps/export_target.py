"""Export target of `automl export`: the file format by suffix, and paths that must not be overwritten."""

import os
from pathlib import Path
from typing import Final

from automl.release import modelopt, other_forms, tensorrt_builder
from automl.storage import files
from automl.storage.layout import BEST, ENGINE, ONNX
from automl.storage.registry import Registry
from automl.study.errors import ExportError
from automl.trainers.other_formats import STRIDE, Form

SOURCES: Final = {Path(name).suffix: name for name in (ONNX, ENGINE, BEST)}
"""Maps the suffix of a target to a file of the version; an engine is built here, from the ONNX file."""
AUTO: Final = "auto"
OTHERS: Final = {".mlpackage": "coreml", ".tflite": "litert", "_ncnn_model": "ncnn", "_rknn_model": "rknn"}
"""Maps the end of a target's name to a format of another runtime, written by the trainer's exporter."""
MOST_EDGE: Final = 8192
CHIP: Final = "rk3588"
"""Device of an RKNN file where none is given, as in Ultralytics."""


def form_of(target: Path, *, imgsz: str, dynamic: bool, chip: str, version: Path) -> Form | None:
    """Return the form that is asked for, by default with the input of the version; None for a file that it contains.

    Raises:
        ExportError: the options do not fit the target.
    """
    other = next((name for end, name in OTHERS.items() if target.name.endswith(end)), "")
    if not other and not imgsz and not dynamic:
        return None
    if not other and target.suffix != ".onnx":
        raise ExportError(f"{target}: must end in .onnx for --imgsz and --dynamic, but ends in {target.suffix!r}")
    if other and dynamic:
        raise ExportError(f"--dynamic: must be for an .onnx file, but {target} is one for {other}; omit it")
    if chip and other != "rknn":
        raise ExportError(f"--chip: must be for a folder that ends in _rknn_model, but got {target}; omit it")
    edges = _edges(imgsz) if imgsz else (other_forms.record_of(version).imgsz,) * 2
    return Form(other or "onnx", *edges, dynamic, (chip or CHIP) if other == "rknn" else "")


def refuse_precision(target: Path, *, precision: str, calibration: Path | None, form: Form | None) -> None:
    """Check the options for a precision.

    Raises:
        ExportError: they do not fit the target or each other.
    """
    if precision not in modelopt.PRECISIONS:
        raise ExportError(f"--precision: must be one of {', '.join(modelopt.PRECISIONS)}, but got {precision!r}")
    if form is not None or target.suffix not in {Path(ONNX).suffix, Path(ENGINE).suffix}:
        raise ExportError(f"--precision: must be for an .onnx or .engine file as trained, but got {target}; omit it")
    if (precision == "int8") != (calibration is not None):
        raise ExportError("--calibration: must be a folder with images of train for int8, and for nothing else")
    if calibration is not None and not calibration.is_dir():
        raise ExportError(f"--calibration: must be a folder with images of train, but got {calibration}")


def _edges(text: str) -> tuple[int, int]:
    """Return height and width of `640` or `480x640`.

    >>> _edges("640"), _edges("480x640")
    ((640, 640), (480, 640))
    """
    parts, edges = text.lower().split("x"), range(STRIDE, MOST_EDGE + 1, STRIDE)
    if len(parts) > 2 or not all(part.isdecimal() and int(part) in edges for part in parts):
        raise ExportError(f"--imgsz: must be HEIGHTxWIDTH or an edge, in multiples of {STRIDE}, but got {text!r}")
    return int(parts[0]), int(parts[-1])


def refuse(target: Path, *, builder: str, force: bool) -> None:
    """Check that a target may be written, before anything is built.

    Raises:
        ExportError: its suffix is unknown, it exists, or it belongs to a registry.
    """
    ends = (*SOURCES, *OTHERS)
    if target.suffix not in SOURCES and not target.name.endswith(tuple(OTHERS)):
        raise ExportError(
            f"{target}: must end in {', '.join(ends)}, which selects the format, but ends in {target.suffix!r}"
        )
    if builder != AUTO and target.suffix != Path(ENGINE).suffix:
        raise ExportError(f"{target}: must end in .engine to be built by {builder}, but ends in {target.suffix}")
    refuse_in_registry(target)
    if target.is_dir():
        law = "must be a file, but is a folder" if target.suffix in SOURCES else "must be a new folder, but exists"
        raise ExportError(f"{target}: {law}; choose another name")
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


def write(version: Path, target: Path, *, builder: str, form: Form | None = None) -> str:
    """Write the format that the suffix of `target` selects, or a form of the weights; return a one-line summary.

    Raises:
        ExportError: the version does not contain it, or this machine cannot build it.
    """
    if form is not None:
        return other_forms.write(version, target, form)
    if target.suffix == Path(ENGINE).suffix:
        return f"{target}: built by {tensorrt_builder.build_plan(version / ONNX, target.absolute(), wanted=builder)}"
    source = version / SOURCES[target.suffix]
    if not source.is_file():
        raise ExportError(f"{version}: must contain {source.name} to write {target}, but does not")
    files.copy(source, target.absolute())
    return f"{target}: {source.name} of version {int(version.name)}"
