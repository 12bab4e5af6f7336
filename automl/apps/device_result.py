"""What a device returns: the folder of a kit with `built`, read and checked byte for byte."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.apps.device_kit import PICTURES
from automl.release.device_script import BUILT, ENGINE, KIT, OUTPUTS, RESULT, seal
from automl.storage import files, sealed_json
from automl.study import Latency
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
    outputs: NDArray[np.float32]
    latency: Latency
    builder: str
    machine: dict[str, str]
    engine: Path | None
    facts: EngineFacts | None


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
    sealed = result.pop("seal", None)
    if seal(result) != sealed:
        raise ExportError(f"{built / RESULT}: its seal must fit its content, but does not; {REMEDY}")
    if result["kit"] != files.sha256(folder / KIT):
        raise ExportError(f"{built / RESULT}: must be the result of this kit, but is of another one; {REMEDY}")
    _check(folder, kit["files"])
    _check(built, result["files"])
    return DeviceResult(
        model=str(kit["model"]),
        version=int(kit["version"]),
        target=str(kit["target"]),
        runtime=str(kit["runtime"]),
        sources={Path(name).suffix: digest for name, digest in kit["files"].items() if name.startswith("model.")},
        pictures=np.load(folder / PICTURES, allow_pickle=False),
        outputs=np.load(built / OUTPUTS, allow_pickle=False),
        latency=well_typed(Latency(**result["latency_ms"])),
        builder=str(result["builder"]),
        machine={str(name): str(value) for name, value in result["machine"].items()},
        engine=built / ENGINE if ENGINE in result["files"] else None,
        facts=EngineFacts.from_dict(result["engine"]) if result["engine"] else None,
    )


def _check(folder: Path, wanted: dict[str, Any]) -> None:
    for name, digest in wanted.items():
        path = folder / Path(name).name
        if not path.is_file() or files.sha256(path) != digest:
            raise ExportError(f"{path}: SHA-256 must be {digest}, but the file is missing or changed; {REMEDY}")
