"""Artifact built on a device, taken back: checked, judged by the gates of its target, published as a new version.

A version never changes, so the new one has the files of the version that the kit came from, the engine, and the
evidence of the device in the record of its target, in its verdict and on its card. No alias but the challenger's moves.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.apps import agreement, device_result
from automl.apps.agreement import Agreement, Boxes
from automl.apps.device_kit import reader, without_engine
from automl.apps.device_result import DeviceResult
from automl.apps.serve.backend import Backend, opened
from automl.apps.serve.postprocess import detections
from automl.apps.serve.thresholds import Thresholds, recorded
from automl.storage import files, scratch
from automl.storage.layout import CARD, CARD_ZH, EVALUATION, TARGET, VERDICT
from automl.storage.registry import Registry
from automl.study import Gates
from automl.study.errors import ExportError, RegistryError
from automl.study.gate_result import GateResult

MEGA: Final = 1e6
END_TO_END: Final = 6
LEAST: Final = 0.001
"""Lowest threshold at which boxes are compared."""
Read = Callable[[str], bytes | None]


def take_back(registry: Registry, folder: Path) -> str:
    """Publish what a device built from a kit of this registry; return a one-line summary.

    Raises:
        ExportError: the folder is damaged or of another model, or the gates refuse the artifact.
        RegistryError: the version is damaged.
    """
    found = device_result.read(folder)
    source = _source(registry, found, folder)
    record = json.loads((source / f"{TARGET}{found.target}.json").read_text(encoding="utf-8"))
    gates = judged(found, source, record)
    if refused := [gate.reason for gate in gates if not gate.passed]:
        raise ExportError(f"{folder}: {'; '.join(refused)}; nothing was published")
    number = _published(registry, source, found, (_evidence(record, found, source), gates))
    return (
        f"version {number} of {registry.name}: version {found.version} with target {found.target} by {found.builder}, "
        f"{found.latency.text} on {found.latency.device}; to serve it there: automl promote {registry.name} --version "
        f"{number} --target {found.target} --why WHY"
    )


def _source(registry: Registry, found: DeviceResult, folder: Path) -> Path:
    """Return the folder of the version that a kit came from.

    Raises:
        ExportError: the kit is of another model, or was made from other files.
    """
    if found.model != registry.name or found.version not in registry.versions():
        raise ExportError(
            f"{folder}: must be a kit of {registry.name}, but is of version {found.version} of {found.model}"
        )
    source = registry.verified(found.version)
    listed = registry.manifest(found.version)["files"]
    for suffix, digest in found.sources.items():
        name = f"{TARGET}{found.target}{suffix}"
        if listed.get(name) != digest:
            raise ExportError(
                f"{folder}: must be built from {name} of version {found.version}, but was from another file; make the "
                "kit again: automl device-kit"
            )
    return source


def judged(found: DeviceResult, source: Path, record: Mapping[str, Any]) -> tuple[GateResult, ...]:
    """Return the gates of an artifact: agreement with its graph, and the limits of its target.

    Raises:
        ExportError: the outputs are not those of such a model, or the record is damaged.
    """
    try:
        laws, target = Gates(**record["inputs"]["gates"]), record["inputs"]["target"]
        limits = {name: target.get(f"max_{name}") for name in ("latency_ms", "end_to_end_ms")}
        limits["size_mb"] = target.get("max_mb")
    except (LookupError, TypeError, AttributeError) as error:
        raise ExportError(f"{source}: must record the gates of target {found.target}, but {error}") from None
    same = _agreement(found, source, laws)
    costs = {"latency_ms": found.latency.p50, "end_to_end_ms": None, "size_mb": _size(found, source) / MEGA}
    own = (
        _limited(found.target, name, costs[name], float(limit)) for name, limit in limits.items() if limit is not None
    )
    compared = same.gates(found.target, max_lost=laws.max_threshold_loss, max_drift=laws.max_drift)
    return (*compared, *own)


def _limited(target: str, name: str, value: float | None, limit: float) -> GateResult:
    passed = value is not None and value <= limit
    shown = "no measurement: the script measures the model alone" if value is None else f"{value:.4g}"
    text = (
        f"target {target} on its device: {name} <= {limit:g} {'holds with' if passed else 'must hold, but got'} {shown}"
    )
    return GateResult(f"target {target} on its device {name}", passed, limit, value, text)


def _agreement(found: DeviceResult, source: Path, laws: Gates) -> Agreement:
    """Compare the raw outputs of the device with those of the target's graph on this machine, as boxes."""
    read = without_engine(reader(source))
    backend = opened(source, read, target=found.target)
    pictures = found.pictures
    ours, theirs = found.outputs, [_run(backend, picture) for picture in pictures]
    if len(ours) != len(pictures) or not len(pictures) or ours.shape[1:] != theirs[0].shape:
        shape = [len(pictures), *(theirs[0].shape if theirs else ())]
        raise ExportError(f"the outputs of the device must have the shape {shape}, but have {list(ours.shape)}")
    if not np.isfinite(ours).all():
        raise ExportError("the outputs of the device must be finite, but some are NaN or infinite")
    wanted = recorded(read(EVALUATION), source / EVALUATION)
    low = Thresholds(
        max(wanted.conf - laws.max_drift, LEAST), wanted.iou, wanted.max_det, wanted.agnostic_nms, wanted.classes
    )
    boxes: list[list[Boxes]] = [
        [detections(np.asarray(one, np.float32), low, end_to_end=_without_suppression(backend, one)) for one in side]
        for side in (ours, theirs)
    ]
    return agreement.compare(*boxes, threshold=wanted.conf, drift=laws.max_drift)


def _run(backend: Backend, picture: Any) -> Any:  # noqa: ANN401
    return backend.run(np.divide(picture, np.float32(255), dtype=np.float32)[None])[0]


def _without_suppression(backend: Backend, output: Any) -> bool:  # noqa: ANN401
    return backend.metadata.get("end2end") == "True" or output.shape[-1] == END_TO_END


def _size(found: DeviceResult, source: Path) -> int:
    if found.engine:
        return found.engine.stat().st_size
    return sum((source / f"{TARGET}{found.target}{suffix}").stat().st_size for suffix in found.sources)


def _evidence(record: Mapping[str, Any], found: DeviceResult, source: Path) -> dict[str, Any]:
    """Return the record of a target with what its device measured."""
    return {
        **record,
        "builder": found.builder,
        "latency_ms": asdict(found.latency),
        "end_to_end_ms": None,
        "mb": _size(found, source) / MEGA,
        "engine": found.facts and found.facts.to_dict(),
        "device": {"machine": found.machine, "pictures": len(found.pictures), "from_version": found.version},
    }


def _published(
    registry: Registry, source: Path, found: DeviceResult, evidence: tuple[dict[str, Any], tuple[GateResult, ...]]
) -> int:
    """Publish the version with the artifact; return its number."""
    record, gates = evidence
    name = f"{TARGET}{found.target}"
    rewritten = {f"{name}.json", f"{name}.engine", VERDICT, CARD, CARD_ZH}
    listed = registry.manifest(found.version)["files"]
    kept = {one: source / one for one in listed if one not in rewritten}
    verdict = source / VERDICT
    documents = {VERDICT: _verdict(verdict, found, evidence)} if verdict.is_file() else {}
    with scratch.folder() as place:
        files.write_json(place / "record.json", record)
        made = {**kept, f"{name}.json": place / "record.json"}
        if found.engine:
            made[f"{name}.engine"] = found.engine
        return registry.publish(made, documents, texts=lambda number: _cards(source, found, gates, number=number))


def _verdict(
    path: Path, found: DeviceResult, evidence: tuple[dict[str, Any], tuple[GateResult, ...]]
) -> dict[str, Any]:
    """Return the verdict of a version with the result of the device in that of its target."""
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record, gates = evidence
        for one in plain.get("targets", ()):
            if one["name"] == found.target:
                one["gates"] = [*one["gates"], *map(asdict, gates)]
                one |= {"p50_ms": found.latency.p50, "p99_ms": found.latency.p99, "stable": found.latency.stable}
                one |= {"device": found.latency.device, "mb": record["mb"], "end_to_end": None}
    except (ValueError, LookupError, TypeError) as error:
        raise RegistryError(f"{path}: must be the verdict of the version, but {error}") from None
    return plain


def _cards(source: Path, found: DeviceResult, gates: tuple[GateResult, ...], *, number: int) -> dict[str, str]:
    """Return the model cards with a section about the device."""
    heads = {
        CARD: f"Version {number}: target `{found.target}`, built on its device from version {found.version}",
        CARD_ZH: f"版本 {number}：目标 `{found.target}`，在其设备上由版本 {found.version} 构建",  # noqa: RUF001
    }
    lines = [
        f"- {found.builder}: {found.latency.text} ({found.latency.device})",
        *(f"- {gate.reason}" for gate in gates),
    ]
    return {
        name: "\n".join([path.read_text(encoding="utf-8").rstrip(), "", f"## {head}", "", *lines, ""])
        for name, head in heads.items()
        if (path := source / name).is_file()
    }
