"""Aliases per target: a device keeps its last artifact, moves with the champion that has one, and goes back alone."""

import json
from pathlib import Path

import pytest

from automl.storage import registry_check
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from tests.builders import written


def add(held: Registry, folder: Path, *targets: str) -> int:
    """Publish a version with artifacts for targets."""
    number = len(held.versions()) + 1
    files = {"best.pt": written(folder, f"{number}.pt", str(number))}
    files |= {f"target-{name}.json": written(folder, f"{name}.json", "{}") for name in targets}
    return held.publish(files, {"promotion.json": {"accepted": True}})


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Return a registry of three versions, for cpu and orin, for cpu, and for both; the first is champion."""
    held = Registry(tmp_path / "models", "boards")
    for targets in (("cpu", "orin"), ("cpu",), ("cpu", "orin")):
        add(held, tmp_path, *targets)
    held.promote(1, why="first")
    return held


def served(held: Registry, *targets: str) -> list[int]:
    return [int(held.path("champion", target=target).name) for target in ("", *targets)]


def test_a_champion_takes_over_the_targets_that_it_was_built_for_alone(registry: Registry) -> None:
    assert served(registry, "cpu", "orin") == [1, 1, 1]
    registry.promote(2, why="better")
    assert served(registry, "cpu", "orin") == [2, 2, 1]
    registry.promote(3, why="better still")
    assert served(registry, "cpu", "orin") == [3, 3, 3]
    assert registry.aliases()["previous/orin"] == 1
    assert registry_check.problems(registry) == []


def test_one_target_is_promoted_and_rolled_back_alone(registry: Registry) -> None:
    registry.promote_for("cpu", 2, why="smaller")
    assert served(registry, "cpu", "orin") == [1, 2, 1]
    assert registry.history()[-1]["moves"] == {"champion/cpu": 2, "previous/cpu": 1}
    assert registry.rollback(why="slow on the line", target="cpu") == 1
    assert served(registry, "cpu", "orin") == [1, 1, 1]
    with pytest.raises(RegistryError, match=r"previous champion of target cpu .* --target cpu"):
        registry.rollback(why="again", target="cpu")


def test_a_rollback_of_the_model_takes_the_targets_that_it_serves_along(registry: Registry) -> None:
    registry.promote(2, why="better")
    registry.promote(3, why="better still")
    assert registry.rollback(why="wrong") == 2
    assert served(registry, "cpu", "orin") == [2, 2, 1]


def test_a_target_that_nothing_served_before_loses_its_aliases(registry: Registry, tmp_path: Path) -> None:
    add(registry, tmp_path, "new")
    registry.promote(4, why="for a new device")
    assert served(registry, "new", "cpu") == [4, 4, 1]
    registry.rollback(why="wrong")
    assert "champion/new" not in registry.aliases()
    assert served(registry, "new") == [1, 1]
    assert registry_check.problems(registry) == []


def test_a_target_needs_an_artifact_in_the_version(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="artifact of target orin, but contains those of cpu; a version"):
        registry.promote_for("orin", 2, why="it fits")


def test_a_registry_without_aliases_of_targets_serves_its_champion_to_all(tmp_path: Path) -> None:
    plain = Registry(tmp_path / "models", "old")
    for _ in range(2):
        add(plain, tmp_path)
    plain.promote(1, why="first")
    assert served(plain, "cpu") == [1, 1]
    assert plain.aliases() == {"challenger": 2, "champion": 1}


def test_a_first_own_champion_of_a_target_leaves_the_one_of_the_model_as_previous(tmp_path: Path) -> None:
    held = Registry(tmp_path / "models", "boards")
    for targets in ((), ("cpu",), ("cpu",)):
        add(held, tmp_path, *targets)
    held.promote(1, why="first")
    held.promote_for("cpu", 2, why="measured there")
    assert held.aliases() == {"challenger": 3, "challenger/cpu": 3, "champion": 1, "champion/cpu": 2}
    held.promote_for("cpu", 3, why="better")
    assert held.rollback(why="worse", target="cpu") == 2


def test_a_changed_alias_of_a_target_is_found(registry: Registry) -> None:
    path = registry.folder / "aliases.json"
    held = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**held, "champion/cpu": 2}), encoding="utf-8")
    assert registry_check.problems(registry)
