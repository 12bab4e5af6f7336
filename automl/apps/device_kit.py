"""Kit for a device: a folder with a target's model, pictures and a script that needs only NumPy and the runtime.

The device need not be a node of the cluster, and has no `automl`. `automl device-built` takes the folder back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from automl.apps.serve.backend import opened
from automl.apps.serve.detector import Detector, letterboxed
from automl.apps.serve.images import decode
from automl.apps.serve.refusal import RequestError
from automl.release import device_script
from automl.storage import files, sealed_json
from automl.storage.layout import SMOKE, TARGET
from automl.storage.registry import Registry
from automl.storage.target_aliases import require
from automl.study.errors import ExportError

SCRIPT: Final = "build.py"
PICTURES: Final = "pictures.npy"
MOST_PICTURES: Final = 200
SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "onnxruntime": (".onnx",), "openvino": (".xml", ".bin"), "tensorrt": (".onnx",)
}  # fmt: skip
"""Runtime to the files of a target that it builds from; the first runtime that fits is the default."""
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a kit is for."""

    target: str
    runtime: str = ""
    """Empty: that of the target's files."""
    images: Path | None = None
    """Folder of pictures on which device and version are compared; None: those of the version."""


def write(registry: Registry, version: int, folder: Path, wanted: Wanted) -> str:
    """Write a kit for a version into a new folder; return a one-line summary.

    Raises:
        RegistryError: the version is damaged, or has no artifact for the target.
        ExportError: the folder exists, the runtime does not fit, or there are no pictures.
    """
    source, target = registry.verified(version), wanted.target
    require(registry.targets(version), target, folder=source)
    if folder.exists():
        raise ExportError(f"{folder}: must be a new folder, but exists; choose another name")
    chosen = _runtime(source, target, wanted.runtime)
    pictures = _pictures(source, target, wanted.images)
    folder.mkdir(parents=True)
    for suffix in SOURCES[chosen]:
        files.copy(source / f"{TARGET}{target}{suffix}", folder / f"model{suffix}")
    files.copy(Path(device_script.__file__), folder / SCRIPT)
    with (folder / PICTURES).open("wb") as file:
        np.save(file, pictures)
    contents = {path.name: files.sha256(path) for path in sorted(folder.iterdir())}
    order = {
        "format": FORMAT, "model": registry.name, "version": version, "target": target, "runtime": chosen,
        "files": contents,
    }  # fmt: skip
    sealed_json.write(folder / device_script.KIT, order)
    return (
        f"{folder}: {chosen} for target {target} of version {version}, {len(pictures)} pictures; copy the folder to "
        f"the device, run `python {SCRIPT}` there, copy it back, then: automl device-built {registry.name} "
        f"{folder.name}"
    )


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
    return wanted or fitting[0]


def without_engine(read: Callable[[str], bytes | None]) -> Callable[[str], bytes | None]:
    """Return a reader that hides engines: the graph is what an engine is compared with."""
    return lambda name: None if name.endswith(".engine") else read(name)


def reader(folder: Path) -> Callable[[str], bytes | None]:
    """Return a reader of the files of a version that was verified."""
    return lambda name: path.read_bytes() if (path := folder / name).is_file() else None


def _pictures(source: Path, target: str, images: Path | None) -> NDArray[np.uint8]:
    """Return pictures as the model's input, n x 3 x height x width, RGB, 0 to 255."""
    found = sorted(source.glob(f"{SMOKE}-*")) if images is None else sorted(images.rglob("*"))
    listed = [path for path in found if path.suffix.lower() in SUFFIXES][:MOST_PICTURES]
    if not listed:
        raise ExportError(f"--images: must be a folder with pictures of the line, but {images or source} has none")
    size = Detector(opened(source, without_engine(reader(source)), target=target)).size
    made = []
    for path in listed:
        try:
            made.append(letterboxed(decode(path.read_bytes()), size=size))
        except (RequestError, OSError) as error:
            raise ExportError(f"{path}: must be a picture, but {error}") from None
    pixels: NDArray[np.uint8] = np.rint(np.concatenate(made) * np.float32(255)).astype(np.uint8)
    return pixels
