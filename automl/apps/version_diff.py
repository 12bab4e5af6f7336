"""Difference of two versions of a model: params, description, data, metrics, gates, files, packages."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.storage import job_file, version_folder
from automl.storage.layout import LINEAGE, METRICS, PARAMS, SPEC, VERDICT
from automl.storage.registry import Registry
from automl.study.errors import AutomlError, RegistryError
from automl.study.text import one_line
from automl.study.yaml_io import read_yaml

IDENTITY: Final = ("name", "format")
"""Keys of a description that do not describe the search."""
TRAINING: Final = ("seed", "epochs", "model")
"""Facts of a job beside params and settings."""
LONGEST: Final = 16
"""Digits of a digest in the text; the JSON has all."""

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: a value of the first version, of the second, or both."""

    name: str
    kind: str
    """`changed`, `added` or `removed`."""
    before: Any = None
    after: Any = None

    def line(self) -> str:
        """Return the difference as text."""
        if self.kind == "changed":
            return f"{self.name}: {_shown(self.before)} -> {_shown(self.after)}{_difference(self.before, self.after)}"
        return f"{self.name}: {self.kind}, {_shown(self.after if self.kind == 'added' else self.before)}"


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """What differs between two versions; a part without changes is the same."""

    name: str
    before: int
    after: int
    params: tuple[Change, ...]
    """Params, fixed settings, seed, epochs and model of the training that ships."""
    description: tuple[Change, ...]
    data: tuple[Change, ...]
    """Fingerprint of the data set, and the images and boxes of its splits."""
    metrics: tuple[Change, ...]
    """Value and interval of each metric; by class under `class/<name>`."""
    gates: tuple[Change, ...]
    files: tuple[Change, ...]
    """Bytes and SHA-256 of each file."""
    packages: tuple[Change, ...]
    """Packages, Python and hardware of the training."""
    comparable: bool
    """Both were judged on the same images, so that their metrics can be compared."""
    unknown: tuple[str, ...]
    """Parts that a version does not record, since an earlier program published it."""

    def lines(self) -> Iterator[str]:
        """Yield the difference as text."""
        yield f"{self.name}: version {self.before} -> version {self.after}"
        for part in PARTS:
            changes: tuple[Change, ...] = getattr(self, part)
            if part in self.unknown:
                yield f"{part}: not known, since a version does not record it"
                continue
            yield f"{part}:{'' if changes else ' the same'}"
            yield from (f"  {one_line(change.line())}" for change in changes)
            if part == "metrics" and changes and not self.comparable:
                yield "  note: judged on other images: the values cannot be compared"


def compare(registry: Registry, before: int, after: int) -> VersionDiff:
    """Return what differs between two versions, after a check of every byte of both.

    Raises:
        RegistryError: a version is missing or damaged.
    """
    folders = registry.verified(before), registry.verified(after)
    found: dict[str, tuple[Change, ...]] = {}
    unknown: list[str] = []
    for part, read in PARTS.items():
        one, other = (read(folder) for folder in folders)
        found[part] = () if one is None or other is None else tuple(_changes(one, other))
        unknown += [part] if one is None or other is None else []
    judged = [_judged(folder) for folder in folders]
    return VersionDiff(
        registry.name, before, after, **found, comparable=judged[0] == judged[1], unknown=tuple(unknown)
    )  # fmt: skip


def _changes(before: Values, after: Values) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        if name not in after:
            yield Change(name, "removed", before=before[name])
        elif name not in before:
            yield Change(name, "added", after=after[name])
        elif before[name] != after[name]:
            yield Change(name, "changed", before[name], after[name])


def json_of(path: Path) -> dict[str, Any]:
    """Return a JSON file of a version, empty if it has none.

    Raises:
        RegistryError: it is no JSON object.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RegistryError(f"{path}: must be JSON, but {error}; publish the version again") from None
    if not isinstance(found, dict):
        raise RegistryError(f"{path}: must be a JSON object, but is a {type(found).__name__}")
    return found


def _params(folder: Path) -> Values | None:
    if not (folder / PARAMS).is_file():
        return None
    job = job_file.read(folder)
    facts = {name: getattr(job, name) for name in TRAINING} | {"model": Path(job.model).name}
    return {**job.params, **job.settings, **facts}


def _description(folder: Path) -> Values | None:
    if not (folder / SPEC).is_file():
        return None
    try:
        plain = read_yaml(folder / SPEC)
    except AutomlError as error:
        raise RegistryError(str(error)) from None
    return dict(_flat({key: value for key, value in plain.items() if key not in IDENTITY}))


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    if not isinstance(value, dict) or not value:
        yield prefix, value
        return
    for name, inner in value.items():
        yield from _flat(inner, f"{prefix}.{name}".strip("."))


def _data(folder: Path) -> Values | None:
    fingerprint = json_of(folder / VERDICT).get("data")
    splits = json_of(folder / LINEAGE).get("data", {}).get("splits", {})
    return {"fingerprint": fingerprint, **dict(_flat(splits))} if fingerprint else None


def _metrics(folder: Path) -> Values | None:
    """Return the metrics with their intervals; of a version without `metrics.json` those of its verdict."""
    found, verdict = json_of(folder / METRICS), json_of(folder / VERDICT)
    if found:
        by_class = {f"class/{name}": {"value": score["ap50_95"]} for name, score in found["classes"].items() if name}
        return {**found["metrics"], **by_class}
    if "metrics" not in verdict:
        return None
    values = {name.rpartition("/")[2] if not name.startswith("class/") else name: {"value": value}
              for name, value in verdict["metrics"].items()}  # fmt: skip
    shipped = verdict.get("shipped") or {}
    interval = {name: shipped[name] for name in ("value", "low", "high") if name in shipped}
    return values | ({verdict["objective"]: interval} if interval else {})


def _gates(folder: Path) -> Values | None:
    gates = json_of(folder / VERDICT).get("gates")
    if gates is None:
        return None
    facts = ("passed", "value", "limit", "margin")
    return {gate["name"]: {name: gate[name] for name in facts if name in gate} for gate in gates}


def _files(folder: Path) -> Values:
    listed = version_folder.manifest(folder)[0]["files"]
    return {name: {"bytes": (folder / name).stat().st_size, "sha256": digest} for name, digest in listed.items()}


def _packages(folder: Path) -> Values | None:
    environment = json_of(folder / LINEAGE).get("environment")
    if not environment:
        return None
    facts = {name: value for name, value in environment.items() if name != "packages"}
    return {**facts, **environment["packages"]}


def _judged(folder: Path) -> tuple[object, object]:
    """Return what two versions must share for their metrics to be comparable: data and split."""
    verdict = json_of(folder / VERDICT)
    return verdict.get("data"), verdict.get("split")


def _shown(value: object) -> str:
    """Return a value of a difference as text.

    >>> _shown({"value": 0.5, "low": 0.4, "high": 0.6}), _shown({"bytes": 12, "sha256": "ab" * 32})
    ('0.5000 (0.4000..0.6000)', '12 bytes, SHA-256 abababababababab')
    """
    if isinstance(value, dict) and "sha256" in value:
        return f"{value['bytes']} bytes, SHA-256 {value['sha256'][:LONGEST]}"
    if isinstance(value, dict) and "passed" in value:
        numbers = (
            f", {name} {value[name]:.4f}" for name in ("value", "limit", "margin") if value.get(name) is not None
        )
        return f"{'passed' if value['passed'] else 'refused'}{''.join(numbers)}"
    if isinstance(value, dict) and "value" in value:
        return f"{value['value']:.4f}" + (f" ({value['low']:.4f}..{value['high']:.4f})" if "low" in value else "")
    return json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def _difference(before: object, after: object) -> str:
    """Return the difference of two metrics with a sign; empty for anything else."""
    if isinstance(before, dict) and isinstance(after, dict) and "value" in before and "passed" not in before:
        return f", {after['value'] - before['value']:+z.4f}"
    return ""


PARTS: Final[Mapping[str, Callable[[Path], Values | None]]] = {
    "params": _params, "description": _description, "data": _data, "metrics": _metrics, "gates": _gates,
    "files": _files, "packages": _packages,
}  # fmt: skip
