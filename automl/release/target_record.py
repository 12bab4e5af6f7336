"""Record of a target's artifact, `target-<name>.json`: what it was built from, and its evidence."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from automl.release.formats import FORMATS
from automl.storage import files
from automl.storage.layout import TARGET
from automl.study import Artifact, Footprint, Gates, Latency, Parity, Target, TargetResult
from automl.study.engine_facts import EngineFacts
from automl.study.verdict import Interval

INTERVALS = ("objective", "f1", "precision", "recall")


def path(folder: Path, target: Target) -> Path:
    """Return the file of a target's record in an export or a version."""
    return folder / f"{TARGET}{target.name}.json"


def inputs(onnx: Path, target: Target, *, calibration: Sequence[Path], gates: Gates) -> dict[str, Any]:
    """Return what decides about an artifact: it is built again if this changes.

    The calibration images are named with their SHA-256: a wrong set is the usual cause of a bad INT8 model.
    """
    used = calibration if target.precision == "int8" else ()
    return {
        "onnx": files.sha256(onnx),
        "target": {**asdict(target), "compatible": list(target.compatible)},
        "gates": asdict(gates),
        "calibration": {image.name: files.sha256(image) for image in used},
    }


def write(folder: Path, built: TargetResult, *, inputs: Mapping[str, Any], metadata: Mapping[str, str]) -> TargetResult:
    """Write the record of an artifact; return the result with the record among its files.

    `metadata` is that of the ONNX file, such as class names, for what runs the artifact.
    """
    place = path(folder, built.target)
    artifact = built.artifact
    plain = {
        "inputs": inputs,
        "files": {name: files.sha256(file) for name, file in built.files.items()},
        "metadata": metadata,
        "builder": artifact.builder if artifact else "",
        "score": artifact.score if artifact else None,
        "parity": built.parity and asdict(built.parity),
        "latency_ms": built.latency and asdict(built.latency),
        "end_to_end_ms": built.end_to_end and asdict(built.end_to_end),
        "float_blocks": list(built.float_blocks),
        "mb": built.mb,
        "parity_on_val": built.on_val and asdict(built.on_val),
        "latency_in_int8_ms": built.in_int8 and asdict(built.in_int8),
        "engine": built.engine and built.engine.to_dict(),
        "without_compatibility": built.own and built.own.to_record(),
    }
    files.write_json(place, plain)
    return replace(built, files={**built.files, place.name: place})


def read(folder: Path, target: Target, *, inputs: Mapping[str, Any]) -> TargetResult | None:
    """Return the result in a record; None if there is none, or it is not that of these inputs and whole files."""
    try:
        plain = json.loads(path(folder, target).read_text(encoding="utf-8"))
        if plain["inputs"] != inputs or not plain["files"]:
            return None
        if any(files.sha256(folder / name) != digest for name, digest in plain["files"].items()):
            return None
        return _result(plain, folder, target)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None  # damaged or of another version: the artifact is built again


def _result(plain: Mapping[str, Any], folder: Path, target: Target) -> TargetResult:
    names = [*plain["files"], path(folder, target).name]
    graph = next(name for name in plain["files"] if name.endswith(FORMATS[target.format].SUFFIXES[0]))
    return TargetResult(
        target,
        Artifact(folder / graph, plain["builder"], plain["score"]),
        {name: folder / name for name in names},
        _parity(plain["parity"]),
        Latency(**plain["latency_ms"]),
        tuple(plain["float_blocks"]),
        mb=float(plain["mb"]),
        end_to_end=Latency.of(plain["end_to_end_ms"]),
        on_val=_parity(plain["parity_on_val"]) if plain["parity_on_val"] else None,
        in_int8=Latency.of(plain["latency_in_int8_ms"]),
        engine=EngineFacts.from_dict(plain["engine"]) if plain["engine"] else None,
        own=Footprint.of_record(plain["without_compatibility"]),
    )


def _parity(plain: Mapping[str, Any]) -> Parity:
    return Parity(**{**plain, **{name: Interval.of(plain[name]) for name in INTERVALS}})
