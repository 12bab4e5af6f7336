"""Nothing is removed from a folder that does not carry the mark of this program."""

from pathlib import Path

import pytest

from automl.storage import ownership
from automl.study.errors import StudyError
from tests.builders import written


def test_a_folder_that_was_claimed_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    ownership.claim(tmp_path / "ours", ["a"])
    written(tmp_path, "ours/a", "x")
    assert ownership.claimed(tmp_path / "ours") == ["a"]
    ownership.remove(tmp_path / "ours")
    ownership.remove(tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_a_folder_without_the_mark_is_refused_and_stays(tmp_path: Path) -> None:
    own = written(tmp_path, "mine/a", "x")
    with pytest.raises(StudyError, match=r"mine: must be a folder that automl made, .* nothing in it was touched"):
        ownership.remove(tmp_path / "mine")
    assert own.read_text() == "x"


def test_a_mark_that_is_a_link_is_no_mark(tmp_path: Path) -> None:
    ownership.claim(tmp_path / "ours")
    written(tmp_path, "mine/a", "x")
    (tmp_path / "mine" / ownership.MARK).symlink_to(tmp_path / "ours" / ownership.MARK)
    with pytest.raises(StudyError, match="must be a folder that automl made"):
        ownership.remove(tmp_path / "mine")
