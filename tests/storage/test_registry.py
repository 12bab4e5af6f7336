"""Champions on disk: versions never change, aliases move together, every move is in the history."""

import json
import pwd
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from automl.storage import files, writer_lock
from automl.storage.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from automl.study.errors import RegistryError
from tests.builders import written


def files_of(folder: Path, content: str = "one") -> dict[str, Path]:
    return {"best.pt": written(folder, f"{content}.pt", content), "model.onnx": written(folder, "m.onnx", "graph")}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Return a registry with three versions."""
    held = Registry(tmp_path / "models", "boards")
    for content in ("one", "two", "three"):
        held.publish(files_of(tmp_path, content), {"promotion.json": {"study": content}})
    return held


def test_versions_are_numbered_from_one_and_hold_copies(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "one.pt").write_text("changed")
    assert registry.versions() == [1, 2, 3]
    assert (registry.path(1) / "best.pt").read_text() == "one"
    assert json.loads((registry.path(2) / "promotion.json").read_text()) == {"study": "two"}
    assert registry.manifest(2)["files"].keys() == {"best.pt", "model.onnx", "promotion.json"}
    assert [registry.verify(number) for number in registry.versions()] == [[], [], []]


def test_the_newest_version_is_challenger_and_nothing_else(registry: Registry) -> None:
    assert registry.aliases() == {CHALLENGER: 3}


def test_the_same_files_published_again_are_the_version_they_are(registry: Registry, tmp_path: Path) -> None:
    assert registry.publish(files_of(tmp_path, "one"), {"promotion.json": {"study": "again"}}) == 1
    assert registry.versions() == [1, 2, 3]
    assert registry.aliases() == {CHALLENGER: 1}
    assert json.loads((registry.path(1) / "promotion.json").read_text()) == {"study": "one"}


def test_a_new_champion_makes_the_old_one_previous(registry: Registry) -> None:
    registry.promote(1, why="first")
    assert registry.aliases() == {CHALLENGER: 3, CHAMPION: 1}
    registry.promote(3, why="better")
    assert registry.aliases() == {CHALLENGER: 3, CHAMPION: 3, PREVIOUS: 1}
    assert registry.path(CHAMPION) == registry.path(3)


def test_promoting_the_champion_changes_nothing(registry: Registry) -> None:
    registry.promote(1, why="first")
    before = (registry.aliases(), registry.history())
    registry.promote(1, why="again")
    assert (registry.aliases(), registry.history()) == before


def test_a_rollback_goes_further_back_each_time_and_never_forward(registry: Registry) -> None:
    for number in (1, 2, 3):
        registry.promote(number, why="better")
    assert registry.rollback(why="it was not") == 2
    assert registry.aliases() == {CHALLENGER: 3, CHAMPION: 2, PREVIOUS: 1}
    assert registry.rollback(why="nor was that") == 1
    assert registry.aliases() == {CHALLENGER: 3, CHAMPION: 1}
    with pytest.raises(RegistryError, match=r"must have a previous champion to roll back to, but has .*automl promote"):
        registry.rollback(why="and now")
    registry.promote(3, why="mended")
    assert registry.aliases() == {CHALLENGER: 3, CHAMPION: 3, PREVIOUS: 1}
    assert registry.rollback(why="not at all") == 1


def test_a_rollback_does_not_return_to_a_version_that_was_rolled_back_from(registry: Registry) -> None:
    for number in (1, 2, 1, 2):
        registry.promote(number, why="back and forth")
    assert registry.rollback(why="2 is bad") == 1
    assert PREVIOUS not in registry.aliases()


def test_a_rollback_of_a_registry_whose_history_has_no_kinds_goes_back_as_well(registry: Registry) -> None:
    for number in (1, 2, 3):
        registry.promote(number, why="better")
    registry.rollback(why="it was not")
    path = registry.folder / "history.jsonl"
    old = [{key: entry[key] for key in ("at", "by", "moves", "why")} for entry in registry.history()]
    old[-1]["moves"] = {CHAMPION: 2, PREVIOUS: 3}  # an exchange, as it was then
    path.write_text("".join(json.dumps(entry) + "\n" for entry in old))
    written(registry.folder, "aliases.json", json.dumps({CHALLENGER: 3, CHAMPION: 2, PREVIOUS: 3}))
    assert registry.rollback(why="nor was that") == 1


def test_a_move_that_was_recorded_and_never_made_counts_for_nothing(registry: Registry) -> None:
    for number in (1, 2):
        registry.promote(number, why="better")
    aliases = (registry.folder / "aliases.json").read_text()
    registry.promote(3, why="its writer is killed before the aliases move")
    written(registry.folder, "aliases.json", aliases)
    assert registry.rollback(why="2 was not") == 1


def test_a_rollback_without_a_previous_champion_is_refused(registry: Registry) -> None:
    registry.promote(1, why="first")
    with pytest.raises(RegistryError, match=r"must have a previous champion to roll back to, but has .*champion 1; "):
        registry.rollback(why="no")


def test_every_move_is_in_the_history_with_who_and_why(registry: Registry) -> None:
    registry.promote(2, why="bester ä")
    last = registry.history()[-1]
    assert (last["moves"], last["why"]) == ({CHAMPION: 2}, "bester ä")
    assert "@" in last["by"]
    assert [list(entry["moves"]) for entry in registry.history()] == [[CHALLENGER]] * 3 + [[CHAMPION]]


@pytest.mark.parametrize("version", [0, 4, -1, 10**6, "champion", "", "latest", "../0001"])
def test_a_version_that_is_not_there_is_told_with_what_is(registry: Registry, version: int | str) -> None:
    wanted = f"version {version}" if isinstance(version, int) else f"a version with the alias {version!r}"
    there = f"{wanted}, but has 3 versions: 1, 2, 3, and the aliases challenger 3; name one of these, such as boards@3"
    with pytest.raises(RegistryError, match=f"boards: must contain {re.escape(there)}"):
        registry.path(version)
    if isinstance(version, int):
        with pytest.raises(RegistryError, match="must contain"):
            registry.promote(version, why="no")
    assert registry.aliases() == {CHALLENGER: 3}


def test_an_empty_registry_holds_nothing(tmp_path: Path) -> None:
    held = Registry(tmp_path, "none")
    assert (held.versions(), held.aliases(), held.history()) == ([], {}, [])


def test_folders_that_are_no_versions_are_passed_over(registry: Registry, tmp_path: Path) -> None:
    versions = registry.folder / "versions"
    for name in ("0002.bak", "9 copy", "x"):
        (versions / name).mkdir()
    written(versions, "0007", "a file")
    assert registry.versions() == [1, 2, 3]
    assert registry.publish(files_of(tmp_path, "four"), {}) == 4


def changed(folder: Path) -> None:
    (folder / "best.pt").chmod(0o644)
    (folder / "best.pt").write_text("evil")


def removed(folder: Path) -> None:
    (folder / "best.pt").unlink()


def added(folder: Path) -> None:
    (folder / "extra.pt").touch()


def made_folder(folder: Path) -> None:
    removed(folder)
    (folder / "best.pt").mkdir()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (changed, "best.pt: SHA-256 must be 7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed, but is "),
        (removed, "best.pt: is missing"),
        (added, "extra.pt: was added later"),
        (made_folder, "best.pt: is not a file"),
    ],
)
def test_a_changed_version_is_found_out(registry: Registry, damage: Callable[[Path], None], problem: str) -> None:
    damage(registry.path(1))
    (told,) = registry.verify(1)
    assert told.startswith(f"{registry.path(1)}/{problem}")
    assert registry.verify(2) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"files": 3}', b"null", None])
def test_a_damaged_manifest_is_one_message(registry: Registry, content: bytes | None) -> None:
    path = registry.path(2) / "manifest.json"
    path.unlink()
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    for ask in (registry.manifest, registry.verify):
        with pytest.raises(RegistryError, match=r"versions/0002/manifest.json: must .* restore it"):
            ask(2)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"champion": "1"}', '{"champion": true}', '{"champion": null}'])
def test_damaged_aliases_are_one_message_and_stay_as_they_are(registry: Registry, content: str) -> None:
    path = written(registry.folder, "aliases.json", content)
    with pytest.raises(RegistryError, match=r"boards/aliases.json: must .* restore it"):
        registry.promote(1, why="no")
    assert path.read_text() == content


def test_half_a_line_of_history_is_mended_by_the_next_move(registry: Registry) -> None:
    path, before = registry.folder / "history.jsonl", registry.history()
    with path.open("a") as file:
        file.write('{"at": "2026')
    assert registry.history() == before
    registry.promote(1, why="on")
    assert len(registry.history()) == len(before) + 1
    assert registry.history()[:-1] == before


@pytest.mark.parametrize("blocks", [Path.mkdir, Path.touch])
def test_what_stands_in_the_place_of_the_next_version_is_skipped_and_named(
    registry: Registry, tmp_path: Path, blocks: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("0004", "0005"):
        blocks(registry.folder / "versions" / name)
    assert registry.publish(files_of(tmp_path, "four"), {}) == 6
    assert registry.versions() == [1, 2, 3, 6]
    told = [record.message for record in caplog.records]
    assert [path.name for path in registry.skipped()] == ["0004", "0005"]
    assert told == [
        f"{path}: is no version, since it has no manifest; its number is skipped" for path in registry.skipped()
    ]


def test_the_number_of_a_version_that_is_gone_is_not_given_again(registry: Registry, tmp_path: Path) -> None:
    shutil.rmtree(registry.path(3))
    assert registry.publish(files_of(tmp_path, "four"), {}) == 4


def test_a_damaged_version_does_not_keep_others_from_being_published(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written(registry.path(1), "manifest.json", "{")
    assert registry.publish(files_of(tmp_path, "one"), {}) == 4
    assert "version 1 is not compared: " in caplog.text


def test_a_draft_of_a_killed_writer_is_swept_by_the_next(registry: Registry, tmp_path: Path) -> None:
    written(registry.folder / "versions" / ".draft-x", "best.pt", "half")
    registry.publish(files_of(tmp_path, "four"), {})
    assert sorted(path.name for path in (registry.folder / "versions").iterdir()) == ["0001", "0002", "0003", "0004"]


@pytest.mark.slow
def test_a_writer_waits_for_another_one_and_gives_up_after_a_time(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer_lock, "LONGEST", 0.25)
    with files.locked(registry.folder):
        for write in (
            lambda: registry.publish(files_of(tmp_path), {}),
            lambda: registry.promote(1, why="no"),
            lambda: registry.rollback(why="no"),
        ):
            caplog.clear()
            with pytest.raises(
                RegistryError, match=r"must be free to write within 0s, but process \d+ on .* is writing"
            ):
                write()
            (record,) = caplog.records
            assert record.message.endswith("is writing; waits for it, 0s at most")
    assert registry.aliases() == {CHALLENGER: 3}


def test_the_methods_that_write_share_the_lock_of_a_block(registry: Registry, tmp_path: Path) -> None:
    with registry.writing():
        number = registry.publish(files_of(tmp_path, "four"), {})
        registry.promote(number, why="better", instead_of=0)
    assert registry.aliases() == {CHALLENGER: 4, CHAMPION: 4}


def test_a_version_replaces_only_the_champion_that_it_was_compared_with(registry: Registry) -> None:
    for instead_of, number, there in ((0, 1, "none"), (1, 2, 1), (None, 3, 2)):
        with pytest.raises(RegistryError, match=rf"must have version 7 as champion, .* but has {there}: .* compare"):
            registry.promote(number, why="no", instead_of=7)
        registry.promote(number, why="better", instead_of=instead_of)
    registry.promote(3, why="it is the champion already", instead_of=1)
    assert registry.aliases() == {CHALLENGER: 3, CHAMPION: 3, PREVIOUS: 2}


def test_a_user_without_a_name_can_publish(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    registry.publish(files_of(tmp_path, "four"), {})
    assert registry.history()[-1]["by"].startswith("user ")


def test_a_version_s_files_cannot_be_written_by_accident(registry: Registry) -> None:
    assert {path.stat().st_mode & 0o777 for path in registry.path(1).iterdir()} == {0o444}
