"""The registry of the Python API: versions, aliases, promotion by hand, verification, history."""

from pathlib import Path

import pytest

import automl
from tests.builders import spec_of
from tests.past_studies import past, promoted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a registry of two versions, the second one champion."""
    for name in ("a", "b"):
        folder = promoted(tmp_path, past(tmp_path, name, trials=[]), spec_of(name=name))
    return folder


def test_a_registry_knows_its_versions_and_aliases(folder: Path) -> None:
    found = automl.Registry(folder)
    assert (found.name, found.versions) == ("boards", [1, 2])
    assert found.aliases == {"challenger": 2, "champion": 2, "previous": 1}
    assert found.path() == found.path("champion") == found.path("2") == folder / "versions" / "0002"
    assert repr(found) == f"automl.Registry({str(folder)!r})"


def test_a_champion_is_made_and_taken_back_by_hand_with_a_reason(folder: Path) -> None:
    found = automl.Registry(folder)
    assert found.promote(1, why="b misses scratches").version == 1
    assert found.promote("previous", why="mistake").aliases == {"challenger": 2, "champion": 2, "previous": 1}
    assert found.rollback(why="it does").version == 1
    moves = found.history()
    assert [move.why for move in moves[-3:]] == ["by hand: b misses scratches", "by hand: mistake", "it does"]
    assert moves[-1].moves == {"champion": 1, "previous": None}
    assert moves[-1].summary().endswith(" champion 1, previous none: it does")


@pytest.mark.parametrize("why", ["", "  ", "\n"])
def test_no_move_is_made_without_a_reason(folder: Path, why: str) -> None:
    found = automl.Registry(folder)
    with pytest.raises(automl.RegistryError, match="why: must be a reason for the history, but got"):
        found.promote(1, why=why)
    with pytest.raises(automl.RegistryError, match="why: must be a reason"):
        found.rollback(why=why)
    assert found.aliases["champion"] == 2


def test_a_verification_names_what_is_wrong(folder: Path) -> None:
    found = automl.Registry(folder)
    assert found.verify().problems == ()
    (found.path(1) / "added.txt").write_text("x")
    assert found.verify().problems == (f"{folder}/versions/0001/added.txt: was added later",)


@pytest.mark.parametrize("version", [7, "7", "nobody"])
def test_a_version_that_is_not_there_is_refused(folder: Path, version: int | str) -> None:
    with pytest.raises(automl.RegistryError, match=r"must contain .*(7|'nobody'), but has 2 versions"):
        automl.Registry(folder).promote(version, why="x")


def test_a_folder_without_versions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(automl.RegistryError, match="must be a registry folder, models/<name>, but contains no version"):
        automl.Registry(tmp_path)


def test_a_damaged_history_is_one_message(folder: Path) -> None:
    with (folder / "history.jsonl").open("a") as file:
        file.write('{"at": 3}\n')
    with pytest.raises(automl.RegistryError, match=r"5: each line must contain at, by, moves and why .*, but got"):
        automl.Registry(folder).history()
