"""What decides which version serves is checked: aliases, history, manifests, and whether they agree."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import automl
from automl.storage import registry_check, sealed_json
from automl.storage.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from automl.study.errors import RegistryError
from tests.builders import written
from tests.registries import filled

Damage = Callable[[Registry], None]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a storage with a registry that the tests copy."""
    folder = tmp_path_factory.mktemp("template")
    filled(folder)
    return folder


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Registry:
    shutil.copytree(template / "models", tmp_path / "models")
    return Registry(tmp_path / "models", "boards")


def unsealed(registry: Registry) -> None:
    """Take away all checksums, as an earlier version of the program wrote the files."""
    entries = registry.history()
    aliases = registry.aliases()
    for folder in map(registry.path, registry.versions()):
        content = sealed_json.read(folder / "manifest.json", remedy=str)[0]
        (folder / "manifest.json").unlink()
        written(folder, "manifest.json", json.dumps(content, indent=2) + "\n")
    for entry in entries:
        del entry["aliases"]
    written(registry.folder, "history.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries))
    written(registry.folder, "aliases.json", json.dumps(aliases, indent=2) + "\n")


def without_line(registry: Registry, number: int) -> None:
    lines = (registry.folder / "history.jsonl").read_bytes().splitlines(keepends=True)
    (registry.folder / "history.jsonl").write_bytes(b"".join(lines[:number] + lines[number + 1 :]))


def exchanged(registry: Registry) -> None:
    lines = (registry.folder / "history.jsonl").read_bytes().splitlines(keepends=True)
    (registry.folder / "history.jsonl").write_bytes(b"".join([lines[1], lines[0], *lines[2:]]))


def doubled(registry: Registry) -> None:
    path = registry.folder / "history.jsonl"
    path.write_bytes(path.read_bytes() * 2)


def other_champion(registry: Registry) -> None:
    """Name another champion by hand, in a file that is sound by itself."""
    sealed_json.write(registry.folder / "aliases.json", registry.aliases() | {CHAMPION: 1, "lines": 8})


def linked_out(registry: Registry) -> None:
    folder = registry.path(2)
    shutil.move(folder, registry.folder.parent / "elsewhere")
    folder.symlink_to(registry.folder.parent / "elsewhere")


def linked_file(registry: Registry) -> None:
    path = registry.path(2) / "best.pt"
    shutil.move(path, registry.folder.parent / "elsewhere.pt")
    path.symlink_to(registry.folder.parent / "elsewhere.pt")


def swapped(registry: Registry) -> None:
    one, two = registry.path(1), registry.path(2)
    one.rename(one.with_name("x"))
    two.rename(one)
    one.with_name("x").rename(two)


def of_another(registry: Registry) -> None:
    folder = registry.path(2)
    content = registry.manifest(2)
    (folder / "manifest.json").unlink()
    sealed_json.write(folder / "manifest.json", content | {"name": "bolts"})


DAMAGES: list[tuple[Damage, str]] = [
    (lambda held: (held.folder / "aliases.json").unlink(), r"aliases\.json: must be readable JSON, but No such file .*"
     r'write into it what history\.jsonl leads to: {"challenger": 4, "champion": 2, "previous": 1}'),
    (other_champion, r"aliases\.json: must be what history\.jsonl leads to, but is .*'champion': 1"),
    (lambda held: (held.folder / "history.jsonl").unlink(), r"must be what history\.jsonl leads to, .*leads to: {}"),
    (lambda held: without_line(held, 7), r"aliases\.json: must be what history\.jsonl leads to"),
    (lambda held: without_line(held, 5), r"history\.jsonl:6: .*but its checksum is wrong; restore it"),
    (exchanged, r"history\.jsonl:1: .* but its checksum is wrong"),
    (doubled, r"history\.jsonl:9: .* but its checksum is wrong"),
    (linked_out, r"versions/0002: must be no link, but leads to .*elsewhere"),
    (linked_file, r"versions/0002/best\.pt: must be no link, but leads to .*elsewhere"),
    (swapped, r"versions/0001/manifest\.json: must be that of version 0001, but is that of version 2"),
    (of_another, r"versions/0002/manifest\.json: must be that of a version of boards, but is of bolts"),
    (lambda held: shutil.rmtree(held.path(2)), r"champion must be a version that is there, but version 2 is not"),
    (lambda held: (held.path(3) / "manifest.json").unlink(), r"versions/0003/manifest\.json: is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("damage", "told"), DAMAGES)
def test_what_decides_is_checked_and_named(registry: Registry, damage: Damage, told: str) -> None:
    assert registry_check.problems(registry) == []
    damage(registry)
    assert re.search(told, "\n".join(registry_check.problems(registry)))


@pytest.mark.parametrize(("damage", "told"), DAMAGES[:7])
def test_nothing_is_moved_or_published_on_damaged_records(
    registry: Registry, tmp_path: Path, damage: Damage, told: str
) -> None:
    damage(registry)
    before = {path: path.read_bytes() for path in registry.folder.glob("*.json*")}
    for act in (
        lambda: registry.promote(3, why="no"),
        lambda: registry.rollback(why="no"),
        lambda: registry.publish({"best.pt": written(tmp_path, "x", "x")}, {}),
    ):
        with pytest.raises(RegistryError, match=told):
            act()
    assert {path: path.read_bytes() for path in registry.folder.glob("*.json*")} == before


def test_aliases_that_are_gone_are_no_registry_without_a_champion(registry: Registry) -> None:
    (registry.folder / "aliases.json").unlink()
    for ask in (registry.aliases, lambda: registry.path(CHAMPION), automl.Registry(registry.folder).verify):
        with pytest.raises(RegistryError, match=r"aliases\.json: must be readable JSON, but No such file"):
            ask()


def test_the_remedy_of_a_message_mends_aliases(registry: Registry) -> None:
    aliases = registry.aliases()
    written(registry.folder, "aliases.json", "rubbish")
    with pytest.raises(RegistryError, match=r"leads to: \{") as found:
        registry.aliases()
    written(registry.folder, "aliases.json", str(found.value).partition("leads to: ")[2])
    assert registry.aliases() == aliases
    assert registry_check.problems(registry) == []


def test_the_remedy_of_a_message_mends_a_history(registry: Registry) -> None:
    written(registry.folder, "history.jsonl", "rubbish\n")
    with pytest.raises(RegistryError, match=r"move the file away, write {} into aliases\.json and name the champion"):
        registry.history()
    (registry.folder / "history.jsonl").unlink()
    written(registry.folder, "aliases.json", "{}")
    registry.promote(2, why="by hand")
    assert registry_check.problems(registry) == []


@pytest.mark.parametrize("gone", [False, True])
def test_no_damaged_version_is_made_champion(registry: Registry, *, gone: bool) -> None:
    for number in (1, 4):
        if gone:
            shutil.rmtree(registry.path(number))
        else:
            (registry.path(number) / "best.pt").chmod(0o644)
            (registry.path(number) / "best.pt").write_text("changed")
    with pytest.raises(
        RegistryError, match=r"boards: must contain version 4" if gone else r"versions/0004/best\.pt: SHA-256"
    ):
        registry.promote(4, why="no")
    with pytest.raises(
        RegistryError, match=r"boards: must contain version 1" if gone else r"versions/0001/best\.pt: SHA-256"
    ):
        registry.rollback(why="no")
    assert registry.aliases() == {CHALLENGER: 4, CHAMPION: 2, PREVIOUS: 1}
    registry.promote(3, why="a whole one")


def test_files_of_an_earlier_version_are_read_and_sealed_by_the_next_move(registry: Registry) -> None:
    unsealed(registry)
    aliases, count = registry.aliases(), len(registry.history())
    assert registry_check.problems(registry) == []
    assert b"crc" not in (registry.folder / "aliases.json").read_bytes()

    registry.promote(3, why="better after all")

    assert registry_check.problems(registry) == []
    assert registry.aliases() == {**aliases, CHAMPION: 3, PREVIOUS: 2}
    assert len(registry.history()) == count + 1
    for path in (registry.folder / "aliases.json", *registry.folder.glob("versions/*/manifest.json")):
        assert b'"crc": ' in path.read_bytes()
        assert path.parent == registry.folder or path.stat().st_mode & 0o777 == 0o444
    without_line(registry, 0)
    with pytest.raises(RegistryError, match=r"history\.jsonl:8: .*its checksum is wrong"):
        registry.history()


def test_a_damaged_manifest_of_an_earlier_version_gets_no_checksum(registry: Registry) -> None:
    unsealed(registry)
    (registry.path(1) / "best.pt").write_text("changed")
    before = (registry.path(1) / "manifest.json").read_bytes()
    registry.promote(3, why="better")
    assert (registry.path(1) / "manifest.json").read_bytes() == before


def test_a_line_without_a_checksum_after_one_with_it_is_damage(registry: Registry) -> None:
    line = json.dumps({"at": "x", "by": "x", "moves": {CHAMPION: 1}, "why": "x"})
    with (registry.folder / "history.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RegistryError, match=r"history\.jsonl:9: .* but its checksum is missing"):
        registry.history()


def test_a_recorded_move_that_was_never_made_is_no_damage_and_counts_for_nothing(registry: Registry) -> None:
    aliases = (registry.folder / "aliases.json").read_bytes()
    registry.promote(4, why="its writer is killed before the aliases move")
    (registry.folder / "aliases.json").write_bytes(aliases)
    assert registry_check.problems(registry) == []
    registry.promote(3, why="better")
    assert registry_check.problems(registry) == []
    assert registry.rollback(why="no") == 2
    assert registry_check.problems(registry) == []


def test_what_is_left_out_is_named_and_is_no_damage(registry: Registry) -> None:
    (registry.folder / "versions" / "0005").mkdir()
    with (registry.folder / "history.jsonl").open("a") as file:
        file.write('{"at": "2026')
    found = automl.Registry(registry.folder).verify()
    assert found.problems == ()
    assert found.notes == (
        f"{registry.folder}/versions/0005: is no version and is left out",
        f"{registry.folder}/history.jsonl: its incomplete last line is left out",
    )
