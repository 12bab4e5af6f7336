"""Kit for a device: a folder with a target's model, whole splits, and a script that needs only NumPy and the runtime.

The device need not be a node of the cluster, and has no `automl`. `automl device-built` takes the folder back.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from automl.apps import device_splits
from automl.apps.device_splits import Splits
from automl.apps.serve import postprocess
from automl.apps.serve.backend import opened
from automl.apps.serve.detector import Detector
from automl.apps.serve.thresholds import recorded
from automl.release import device_engine, device_script
from automl.release.other_forms import record_of
from automl.storage import files, sealed_json
from automl.storage.layout import EVALUATION, TARGET, VERDICT
from automl.storage.registry import Registry
from automl.storage.target_aliases import require
from automl.study.errors import ExportError

SCRIPT: Final = "build.py"
MOST_PICTURES: Final = 200
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "onnxruntime": (".onnx",), "openvino": (".xml", ".bin"), "tensorrt": (".onnx",)
}  # fmt: skip
"""Runtime to the files of a target that it builds from; the first runtime that fits is the default."""
FORMAT: Final = 2
VAL: Final = "val"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a kit is for."""

    target: str
    runtime: str = ""
    """Empty: that of the target's files."""
    images: Path | None = None
    """Folder of pictures without labels, on which boxes alone are compared; None: whole splits."""
    split: str = ""
    """Split of the data set; empty: val and the judged one."""
    data: Path | None = None
    """The data set, if it is not where the description says."""


def write(registry: Registry, version: int, folder: Path, wanted: Wanted) -> str:
    """Write a kit for a version into a new folder; return a one-line summary.

    Raises:
        RegistryError: the version is damaged, or has no artifact for the target.
        ExportError: the folder exists, the runtime does not fit, or there are no pictures.
        StudyError: the data set is away, or is another than the version's.
    """
    source, target = registry.verified(version), wanted.target
    require(registry.targets(version), target, folder=source)
    if folder.exists():
        raise ExportError(f"{folder}: must be a new folder, but exists; choose another name")
    if wanted.images and (wanted.split or wanted.data):
        raise ExportError("--images: must be given without --split and --data: such pictures have no labels")
    chosen = _runtime(source, target, wanted.runtime)
    draft = folder.with_name(f".{folder.name}.part")
    try:
        there = _filled(registry, (source, version, chosen), draft, wanted)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return (
        f"{folder}: {chosen} for target {target} of version {version}, {there}; copy the folder to "
        f"the device, run `python {SCRIPT}` there, copy it back, then: automl device-built {registry.name} "
        f"{folder.name}"
    )


def _filled(registry: Registry, chosen: tuple[Path, int, str], draft: Path, wanted: Wanted) -> str:
    """Write the files of a kit, of a version's folder, number and runtime; return what pictures it has."""
    source, version, runtime = chosen
    detector = Detector(opened(source, without_engine(reader(source)), target=wanted.target))
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for suffix in SOURCES[runtime]:
        files.copy(source / f"{TARGET}{wanted.target}{suffix}", draft / f"model{suffix}")
    files.copy(Path(device_script.__file__), draft / SCRIPT)
    files.copy(Path(postprocess.__file__), draft / device_script.POSTPROCESS)
    files.copy(Path(device_engine.__file__), draft / device_script.ENGINES)
    splits, least = _written(source, draft, wanted, detector)
    contents = {path.name: files.sha256(path) for path in sorted(draft.iterdir())}
    thresholds = recorded(reader(source)(EVALUATION), source / EVALUATION)
    order = {
        "format": FORMAT, "model": registry.name, "version": version, "target": wanted.target, "runtime": runtime,
        "splits": splits, "least": least, "end_to_end": detector.end_to_end, "size": detector.size,
        "names": {str(number): name for number, name in detector.names.items()}, "thresholds": asdict(thresholds),
        "compatible": _compatible(source, wanted.target),
        "timed": sorted(name for name in contents if name.startswith("timed-")), "files": contents,
    }  # fmt: skip
    sealed_json.write(draft / device_script.KIT, order)
    return ", ".join(f"{count} images of {split}" for split, count in splits.items()) or f"pictures of {wanted.images}"


def _compatible(source: Path, target: str) -> list[str]:
    """Return what an engine for a target shall run on besides; nothing in a record of an earlier version."""
    path = source / f"{TARGET}{target}.json"
    try:
        return list(map(str, json.loads(path.read_text(encoding="utf-8"))["inputs"]["target"].get("compatible", [])))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ExportError(f"{path}: must be the record of the target, but {type(error).__name__}: {error}") from None


def _written(source: Path, folder: Path, wanted: Wanted, detector: Detector) -> tuple[dict[str, int], float]:
    """Write the pictures; return split to number of images, and the lowest confidence that counts."""
    if wanted.images:
        device_splits.write_pictures(folder, _listed(wanted.images), detector.size)
        return {}, device_splits.LEAST
    splits = Splits(_splits(source, wanted.split), wanted.data)
    how = device_splits.evaluation(record_of(source), end_to_end=detector.end_to_end)
    return device_splits.write(source, folder, splits, how), how.thresholds.conf


def _splits(source: Path, wanted: str) -> tuple[str, ...]:
    """Return the splits of a kit, the judged one first."""
    judged = judged_split(source)
    every = tuple(dict.fromkeys((judged, VAL)))
    if wanted and wanted not in every:
        raise ExportError(f"--split: must be {' or '.join(every)}, by which the version was judged, but got {wanted!r}")
    return (wanted,) if wanted else every


def judged_split(source: Path) -> str:
    """Return the split that a version was judged on.

    Raises:
        ExportError: its verdict does not say.
    """
    try:
        verdict: dict[str, Any] = json.loads((source / VERDICT).read_text(encoding="utf-8"))
        return str(verdict["split"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ExportError(
            f"{source / VERDICT}: must say on which split the version was judged, but {type(error).__name__}: {error}; "
            "give pictures by --images: then boxes alone are compared"
        ) from None


def _listed(images: Path) -> list[Path]:
    """Return the pictures in a folder."""
    found = sorted(path for path in images.rglob("*") if path.suffix.lower() in SUFFIXES)[:MOST_PICTURES]
    if not found:
        raise ExportError(f"--images: must be a folder with pictures of the line, but {images} has none")
    return found


def _runtime(source: Path, target: str, wanted: str) -> str:
    """Return the runtime that is asked for, by default the one that the target's files are for."""
    fitting = [
        name for name, suffixes in SOURCES.items()
        if all((source / f"{TARGET}{target}{suffix}").is_file() for suffix in suffixes)
    ]  # fmt: skip
    if (wanted and wanted not in fitting) or not fitting:
        raise ExportError(
            f"--runtime: must be one of {', '.join(fitting) or 'none'}, which the files of target {target} are for, "
            f"but got {wanted or 'nothing'}; an engine of TensorRT is built from a target of format onnx"
        )
    own = "tensorrt" if (source / f"{TARGET}{target}.engine").is_file() else fitting[0]
    return wanted or own


def without_engine(read: Callable[[str], bytes | None]) -> Callable[[str], bytes | None]:
    """Return a reader that hides engines: the graph is what an engine is compared with."""
    return lambda name: None if name.endswith(".engine") else read(name)


def reader(folder: Path) -> Callable[[str], bytes | None]:
    """Return a reader of the files of a version that was verified."""
    return lambda name: path.read_bytes() if (path := folder / name).is_file() else None
