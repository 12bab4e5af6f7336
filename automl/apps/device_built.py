"""Artifact built on a device, taken back: checked, judged by the gates of its target, published as a new version.

A version never changes, so the new one has the files of the version that the kit came from, the engine, and the
evidence of the device in the record of its target, in its verdict and on its card. No alias but the challenger's moves.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from automl.apps import device_gates, device_result
from automl.apps.device_gates import Judged
from automl.apps.device_result import DeviceResult
from automl.storage import files, scratch
from automl.storage.layout import CARD, CARD_ZH, TARGET, VERDICT
from automl.storage.registry import Registry
from automl.study.errors import ExportError, RegistryError
from automl.study.gate_result import GateResult


def take_back(registry: Registry, folder: Path) -> str:
    """Publish what a device built from a kit of this registry; return a one-line summary.

    Raises:
        ExportError: the folder is damaged or of another model, or the gates refuse the artifact.
        RegistryError: the version is damaged.
    """
    found = device_result.read(folder)
    source = _source(registry, found, folder)
    record = json.loads((source / f"{TARGET}{found.target}.json").read_text(encoding="utf-8"))
    judged = device_gates.judged(found, source, record)
    if refused := [gate.reason for gate in judged.gates if not gate.passed]:
        raise ExportError(f"{folder}: {'; '.join(refused)}; nothing was published")
    number = _published(registry, source, found, (_evidence(record, found, source, judged), judged))
    return (
        f"version {number} of {registry.name}: version {found.version} with target {found.target} by {found.builder}, "
        f"{_measured(found)}; {judged.text}; to serve it there: automl promote {registry.name} --version "
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


def _measured(found: DeviceResult) -> str:
    """Return the latencies as text."""
    served = f"end to end {found.served.text}" if found.served else f"not timed end to end: {found.note}"
    own = f" ({found.own.latency.text} and {found.own.mb:.2f} MB if not compatible)" if found.own else ""
    return f"in the model {found.latency.text}{own}, {served}, on {found.latency.device}"


def _evidence(record: Mapping[str, Any], found: DeviceResult, source: Path, judged: Judged) -> dict[str, Any]:
    """Return the record of a target with what its device measured; of pictures alone, accuracy is the graph's."""
    measured = {"score": judged.score, "parity": asdict(judged.parities[judged.split])} if judged.parities else {}
    return {
        **record,
        **measured,
        "builder": found.builder,
        "latency_ms": asdict(found.latency),
        "end_to_end_ms": found.served and asdict(found.served),
        "mb": device_gates.size(found, source) / device_gates.MEGA,
        "engine": found.facts and found.facts.to_dict(),
        "without_compatibility": found.own and found.own.to_record(),
        "device": {
            "machine": found.machine, "pictures": len(found.pictures), "from_version": found.version,
            "build_seconds": found.build_seconds, "splits": found.splits,
            "parity": {split: asdict(parity) for split, parity in judged.parities.items()},
        },
    }  # fmt: skip


def _published(registry: Registry, source: Path, found: DeviceResult, evidence: tuple[dict[str, Any], Judged]) -> int:
    """Publish the version with the artifact; return its number."""
    record, judged = evidence
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
        return registry.publish(
            made, documents, texts=lambda number: _cards(source, found, judged.gates, number=number)
        )


def _verdict(path: Path, found: DeviceResult, evidence: tuple[dict[str, Any], Judged]) -> dict[str, Any]:
    """Return the verdict of a version with the result of the device in that of its target."""
    try:
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record, judged = evidence
        measured = {
            "p50_ms": found.latency.p50, "p99_ms": found.latency.p99, "stable": found.latency.stable,
            "device": found.latency.device, "mb": record["mb"], "end_to_end": record["end_to_end_ms"],
            "own_p50_ms": found.own.latency.p50 if found.own else None, "own_mb": found.own.mb if found.own else None,
        } | ({"score": judged.score} if judged.parities else {})  # fmt: skip
        for one in plain.get("targets", ()):
            if one["name"] == found.target:
                one.update(measured, gates=[*one["gates"], *map(asdict, judged.gates)])
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
        f"- {found.builder}: {_measured(found)}",
        *(f"- {gate.reason}" for gate in gates),
    ]
    titles = {
        CARD: (f"version {found.version}", f"version {number}"), CARD_ZH: (f"第 {found.version} 版", f"第 {number} 版")
    }  # fmt: skip
    return {
        name: "\n".join([_titled(path, *titles[name]), "", f"## {head}", "", *lines, ""])
        for name, head in heads.items()
        if (path := source / name).is_file()
    }


def _titled(path: Path, before: str, after: str) -> str:
    """Return the text of a card with the number of another version in its title."""
    title, _, rest = path.read_text(encoding="utf-8").rstrip().partition("\n")
    return f"{title.replace(before, after)}\n{rest}"
