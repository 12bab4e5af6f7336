"""Reading of a training's state: once for all that ask, again after it was replaced, never what a training changed."""

from pathlib import Path
from typing import Any

import pytest

from automl.study.errors import TrialError
from automl.trainers.yolo import state_file

pytestmark = pytest.mark.yolo


def saved(path: Path, epoch: int) -> None:
    state_file.save({**dict.fromkeys(state_file.KEYS - {"format"}), "epoch": epoch}, path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    made: list[Path] = []
    whole = state_file._read

    def noted(path: Path) -> dict[str, Any]:
        made.append(path)
        return whole(path)

    monkeypatch.setattr(state_file, "_read", noted)
    state_file._READ.clear()
    return made


def test_a_state_is_read_once_for_all_that_ask(tmp_path: Path, reads: list[Path]) -> None:
    saved(tmp_path / "last.pt", 3)
    assert [state_file.epochs_done(tmp_path / "last.pt") for _ in range(2)] == [3, 3]
    assert state_file.take(tmp_path / "last.pt")["epoch"] == 3
    assert len(reads) == 1


def test_a_state_that_was_replaced_is_read_again(tmp_path: Path, reads: list[Path]) -> None:
    saved(tmp_path / "last.pt", 3)
    assert state_file.epochs_done(tmp_path / "last.pt") == 3
    saved(tmp_path / "next.pt", 4)
    (tmp_path / "next.pt").replace(tmp_path / "last.pt")
    assert state_file.epochs_done(tmp_path / "last.pt") == 4
    assert len(reads) == 2


def test_what_a_training_took_and_may_change_is_not_given_again(tmp_path: Path, reads: list[Path]) -> None:
    saved(tmp_path / "last.pt", 3)
    state_file.take(tmp_path / "last.pt")["epoch"] = 7
    assert state_file.load(tmp_path / "last.pt")["epoch"] == 3
    assert len(reads) == 2


def test_a_missing_state_is_an_error_of_the_trial(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="cannot be read as a checkpoint"):
        state_file.load(tmp_path / "none.pt")
