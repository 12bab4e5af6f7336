"""What a device returns: the folder of a kit with `built`, read and checked byte for byte."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.apps.device_splits import WEIGHTS
from automl.release.device_script import BUILT, ENGINE, KIT, OUTPUTS, PICTURES, RESULT, seal
from automl.storage import files, sealed_json
from automl.study import Footprint, Latency
from automl.study.engine_facts import EngineFacts
from automl.study.errors import ExportError, RegistryError
from automl.study.plain_values import well_typed

REMEDY = "copy the folder from the device again, or run the script there again"


@dataclass(frozen=True, slots=True, eq=False)
class DeviceResult:
    """The result of a kit."""

    model: str
    version: int
    target: str
    runtime: str
    sources: dict[str, str]
    """SHA-256 of the model's files in the kit, by suffix."""
    pictures: NDArray[np.uint8]
    """n x 3 x size x size, on disk."""
    splits: dict[str, int]
    """Split to number of images, in the order of the pictures; empty: pictures without labels."""
    weights: dict[str, Path]
    """Split to the detections of the weights."""
    end_to_end: bool
    """The model's head needs no suppression."""
    outputs: list[NDArray[np.float32]]
    """Raw output for each picture, without the boxes that cannot count."""
    shape: list[int]
    """Of a whole raw output."""
    wrong: int
    """Numbers in all raw outputs that are not finite."""
    latency: Latency
    served: Latency | None
    """From the bytes of an image to boxes as JSON; None where not measured."""
    note: str
    """Why not."""
    build_seconds: float
    builder: str
    machine: dict[str, str]
    engine: Path | None
    facts: EngineFacts | None
    own: Footprint | None
    """Latency and size of an engine for this GPU and version alone; None without compatibility."""


def read(folder: Path) -> DeviceResult:
    """Read the folder of a kit that a device has built.

    Raises:
        ExportError: a file is missing, changed, or of another kit.
    """
    try:
        return _read(folder)
    except RegistryError as error:
        raise ExportError(str(error)) from None
    except (OSError, ValueError, LookupError, TypeError, EOFError) as error:
        raise ExportError(
            f"{folder}: must be the folder of a kit with what its script wrote, but {type(error).__name__}: {error}; "
            f"{REMEDY}"
        ) from None


def _read(folder: Path) -> DeviceResult:
    kit, _ = sealed_json.read(folder / KIT, remedy=lambda: REMEDY)
    built = folder / BUILT
    if not (built / RESULT).is_file():
        raise ExportError(f"{built / RESULT}: is missing; run `python build.py` in the folder on the device")
    result = json.loads((built / RESULT).read_text(encoding="utf-8"))
    sealed = result.pop("seal", None) if isinstance(result, dict) else None
    if seal(result) != sealed:
        raise ExportError(f"{built / RESULT}: its seal must fit its content, but does not; {REMEDY}")
    if result["kit"] != files.sha256(folder / KIT):
        raise ExportError(f"{built / RESULT}: must be the result of this kit, but is of another one; {REMEDY}")
    _check(folder, kit["files"])
    _check(built, result["files"])
    outputs, shape, wrong = _outputs(built / OUTPUTS, end_to_end=bool(kit["end_to_end"]))
    splits = {str(split): int(count) for split, count in kit["splits"].items()}
    return DeviceResult(
        model=str(kit["model"]),
        version=int(kit["version"]),
        target=str(kit["target"]),
        runtime=str(kit["runtime"]),
        sources={Path(name).suffix: digest for name, digest in kit["files"].items() if name.startswith("model.")},
        pictures=np.load(folder / PICTURES, mmap_mode="r", allow_pickle=False),
        splits=splits,
        weights={split: folder / WEIGHTS.format(split=split) for split in splits},
        end_to_end=bool(kit["end_to_end"]),
        outputs=outputs,
        shape=shape,
        wrong=wrong,
        latency=well_typed(Latency(**result["latency_ms"])),
        served=Latency.of(result["end_to_end_ms"]),
        note=str(result["note"]),
        build_seconds=float(result["build_seconds"]),
        builder=str(result["builder"]),
        machine={str(name): str(value) for name, value in result["machine"].items()},
        engine=built / ENGINE if ENGINE in result["files"] else None,
        facts=EngineFacts.from_dict(result["engine"]) if result["engine"] else None,
        own=Footprint.of_record(result.get("without_compatibility")),
    )


def _outputs(path: Path, *, end_to_end: bool) -> tuple[list[NDArray[np.float32]], list[int], int]:
    """Return the raw output for each picture as `detections` takes it, the shape of a whole one, and wrong numbers."""
    with np.load(path, allow_pickle=False) as archive:
        rows, counts = np.asarray(archive["rows"], np.float32), archive["counts"].astype(np.int64)
        parts = np.split(rows, np.cumsum(counts)[:-1])
        outputs = [part if end_to_end else part.T for part in parts]
        return outputs, [int(edge) for edge in archive["shape"]], int(archive["wrong"])


def _check(folder: Path, wanted: dict[str, Any]) -> None:
    for name, digest in wanted.items():
        path = folder / Path(name).name
        if not path.is_file() or files.sha256(path) != digest:
            raise ExportError(f"{path}: SHA-256 must be {digest}, but the file is missing or changed; {REMEDY}")
