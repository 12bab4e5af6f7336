"""The difference of two versions: each part, also of versions that an earlier program published."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import automl
from automl.apps.cli import app
from automl.apps.version_diff import Change, VersionDiff
from automl.storage.registry import Registry
from tests.builders import spec_of
from tests.past_studies import past, promoted
from tests.shipped import Version, drawn, shipped

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """Return the second of two versions: another learning rate, and a gate that refused it."""
    home = tmp_path_factory.mktemp("home")
    source = drawn(home / "data")
    shipped(home, source)
    return shipped(home, source, study="second", low=-1.0, params={"lr0": 0.05})


@pytest.fixture(scope="module")
def found(version: Version) -> VersionDiff:
    return automl.Registry(version.registry.folder).diff(1, "challenger")


def named(changes: tuple[Change, ...]) -> dict[str, Change]:
    return {change.name: change for change in changes}


def test_params_that_changed_are_named_with_both_values(found: VersionDiff) -> None:
    assert found.params == (Change("lr0", "changed", 0.02, 0.05),)
    assert found.description == found.data == ()
    assert found.packages == ()


def test_metrics_have_their_intervals(found: VersionDiff) -> None:
    change = named(found.metrics)["map50_95"]
    assert change.before.keys() == change.after.keys() == {"value", "low", "high"}
    assert found.comparable
    assert "class/hole" in named(found.metrics)


def test_gates_have_value_limit_and_margin(found: VersionDiff) -> None:
    change = named(found.gates)["ONNX loss"]
    assert (change.before["passed"], change.after["passed"]) == (True, False)
    assert change.after["margin"] == pytest.approx(0.005 - change.after["value"])


def test_files_have_hash_and_size(found: VersionDiff, version: Version) -> None:
    listed = version.registry.manifest(2)["files"]
    change = named(found.files)["best.pt"]
    assert change.after == {"bytes": (version.folder / "best.pt").stat().st_size, "sha256": listed["best.pt"]}
    assert "findings.json" not in named(found.files)


def test_the_text_has_each_part(version: Version) -> None:
    result = CliRunner().invoke(app, ["diff", str(version.registry.folder), "1", "2"])
    assert result.exit_code == 0, result.output
    told = result.output.splitlines()
    assert told[:5] == [
        "boards: version 1 -> version 2", "params:", "  lr0: 0.02 -> 0.05", "description: the same", "data: the same",
    ]  # fmt: skip
    assert any(line.startswith("  map50_95: 0.") and line.endswith(", -0.0020") for line in told)
    assert "packages: the same" in told


def test_json_is_the_record(version: Version, found: VersionDiff) -> None:
    result = CliRunner().invoke(app, ["diff", str(version.registry.folder), "1", "2", "--json"])
    document = json.loads(result.stdout)
    assert (document["before"], document["after"], document["unknown"]) == (1, 2, [])
    assert document["params"] == [{"name": "lr0", "kind": "changed", "before": 0.02, "after": 0.05}]
    assert len(document["files"]) == len(found.files)


def test_a_version_compared_with_itself_is_the_same(version: Version) -> None:
    told = list(automl.Registry(version.registry.folder).diff(2, 2).lines())
    assert told[1:] == [f"{part}: the same" for part in
                        ("params", "description", "data", "metrics", "gates", "files", "packages")]  # fmt: skip


def test_other_data_are_said_and_make_metrics_incomparable(tmp_path: Path, version: Version) -> None:
    held = Registry(tmp_path / "models", "boards")
    kept = {name: version.folder / name for name in ("params.yaml", "study.yaml", "lineage.json")}
    for name, value in (("a", 0.5), ("b", 0.6)):
        verdict = {**version.verdict.to_dict(), "data": name * 64}
        metrics: dict[str, Any] = {"metrics": {"map50": {"value": value}}, "classes": {}}
        own = {f"{name}.pt": version.folder / "best.pt"}
        held.publish(kept | own, {"promotion.json": verdict, "metrics.json": metrics})
    found = automl.Registry(held.folder).diff(1, 2)
    told = list(found.lines())
    assert not found.comparable
    assert "  note: judged on other images: the values cannot be compared" in told
    assert any(line.startswith("  fingerprint: aaaa") for line in told)
    assert any(line.startswith("  a.pt: removed, 153 bytes") for line in told)
    assert any(line.startswith("  b.pt: added, 153 bytes") for line in told)


def test_what_an_earlier_version_does_not_record_is_not_called_the_same(tmp_path: Path) -> None:
    for name, value in (("a", 0.5), ("b", 0.6)):
        folder = promoted(tmp_path, past(tmp_path, name, trials=[]), spec_of(name=name, seed=int(value * 10)),
                          metrics={"test/map50": value}, objective="map50_95")  # fmt: skip
    found = automl.Registry(folder).diff(1, 2)
    assert found.unknown == ("params", "data", "gates", "packages")
    told = list(found.lines())
    assert "params: not known, since a version does not record it" in told
    assert "  map50: 0.5000 -> 0.6000, +0.1000" in told


def test_a_damaged_or_missing_version_is_one_message(version: Version) -> None:
    registry = automl.Registry(version.registry.folder)
    with pytest.raises(automl.RegistryError, match="must contain version 7, but has"):
        registry.diff(1, 7)
    added = version.folder / "added.txt"
    added.write_text("x")
    try:
        with pytest.raises(automl.RegistryError, match=r"added\.txt: was added later"):
            registry.diff(1, 2)
    finally:
        added.unlink()
