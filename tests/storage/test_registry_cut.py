"""A registry survives a cut after any write: what is listed is whole, and doing it again ends as it should."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automl.storage import alias_history, files, registry_check
from automl.storage.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from tests.builders import written

WRITES = ("copy", "write_json", "write_bytes", "sync_folder")
LAST = 21
"""Writes from publishing a version to promoting it, those within writes counted."""


class Cut(BaseException):
    """The plug is pulled: nothing after this happens, no cleaning up either."""


class Plug:
    """Counts writes and pulls the plug before or after the k-th one."""

    def __init__(self, patch: pytest.MonkeyPatch, *, at: int, after: bool) -> None:
        self.left, self.after = at, after
        for name in WRITES:
            patch.setattr(files, name, self.watched(getattr(files, name)))
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)

    def watched(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Cut
            result = write(*args, **kwargs)
            if self.left == 0:
                raise Cut
            return result

        return watching


def publish(registry: Registry, folder: Path, content: str) -> int:
    files = {"best.pt": written(folder, f"{content}.pt", content), "model.onnx": written(folder, "m.onnx", content)}
    texts = {"lineage.json": content, "CARD.md": content}
    return registry.publish(files, {"promotion.json": {"study": content}}, texts=lambda _number: texts)


def step(registry: Registry, folder: Path) -> None:
    """Do what the end of a study does."""
    registry.promote(publish(registry, folder, "new"), why="better")


def prepared(folder: Path) -> Registry:
    registry = Registry(folder / "models", "boards")
    registry.promote(publish(registry, folder, "old"), why="first")
    return registry


def cut_at(act: Callable[[], object], *, at: int, after: bool) -> bool:
    """Do something, pull the plug at a write, and tell whether it came to that."""
    with pytest.MonkeyPatch.context() as patch:
        Plug(patch, at=at, after=after)
        try:
            act()
        except Cut:
            return True
    return False


def is_sound(registry: Registry) -> bool:
    """Tell whether everything that is listed is there and whole, and the champion serves."""
    return registry_check.problems(registry) == [] and bool(registry.history()) and registry.path(CHAMPION).is_dir()


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("at", range(1, LAST + 1))
def test_a_cut_at_any_write_leaves_a_sound_registry(tmp_path: Path, at: int, after: str) -> None:
    registry = prepared(tmp_path)
    cut_at(lambda: step(registry, tmp_path), at=at, after=after == "after")
    found = Registry(tmp_path / "models", "boards")
    assert is_sound(found)
    assert found.aliases()[CHAMPION] in {1, 2}
    step(found, tmp_path)
    assert found.aliases() == {CHALLENGER: 2, CHAMPION: 2, PREVIOUS: 1}
    assert found.versions() == [1, 2]
    assert is_sound(found)
    assert [path.name for path in sorted((found.folder / "versions").iterdir()) if path.name.startswith("0")] == [
        "0001",
        "0002",
    ]


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("at", range(1, LAST + 3))
def test_a_cut_in_the_first_publication_leaves_a_registry_that_goes_on(tmp_path: Path, at: int, after: str) -> None:
    registry = Registry(tmp_path / "models", "boards")
    cut_at(lambda: step(registry, tmp_path), at=at, after=after == "after")
    found = Registry(tmp_path / "models", "boards")
    assert registry_check.problems(found) == []
    step(found, tmp_path)
    assert found.aliases() == {CHALLENGER: 1, CHAMPION: 1}
    assert registry_check.problems(found) == []


@pytest.mark.parametrize(("at", "cut"), [(LAST, True), (LAST + 1, False)])
def test_the_table_above_ends_with_the_last_write(tmp_path: Path, at: int, cut: bool) -> None:  # noqa: FBT001
    registry = prepared(tmp_path)
    assert cut_at(lambda: step(registry, tmp_path), at=at, after=False) is cut


@pytest.mark.parametrize("at", range(1, 6))
def test_a_cut_rollback_leaves_one_of_the_two_champions(tmp_path: Path, at: int) -> None:
    registry = prepared(tmp_path)
    step(registry, tmp_path)
    cut_at(lambda: registry.rollback(why="no"), at=at, after=False)
    aliases = registry.aliases()
    assert (aliases[CHAMPION], aliases.get(PREVIOUS)) in {(1, None), (2, 1)}
    assert is_sound(registry)


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("at", range(1, 7))
def test_a_cut_signature_leaves_a_sound_registry(tmp_path: Path, at: int, after: str) -> None:
    registry = prepared(tmp_path)
    cut_at(lambda: registry.sign(1, lambda _folder: (b"{}", "0" * 64)), at=at, after=after == "after")
    assert is_sound(registry)
    registry.sign(1, lambda _folder: (b"{}", "0" * 64))
    assert is_sound(registry)
    assert len(list((registry.folder / "signatures").glob("0*.json"))) == 1


@pytest.mark.parametrize("at", range(1, 6))
def test_a_cut_override_is_made_or_not_and_never_lost(tmp_path: Path, at: int) -> None:
    registry = prepared(tmp_path)
    number = publish(registry, tmp_path, "new")
    cut_at(lambda: registry.promote(number, why="needed", refused=["loss"]), at=at, after=False)
    assert is_sound(registry)
    made = registry.aliases()[CHAMPION] == number
    assert (number in alias_history.overrides(registry.records()[1])) is made
    registry.promote(number, why="needed", refused=["loss"])
    registry.rollback(why="it was not")
    assert alias_history.overrides(registry.records()[1]).keys() == {number}
