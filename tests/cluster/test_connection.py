"""What is said where Ray cannot be started or joined."""

import sys
from pathlib import Path

import pytest

from automl.cluster import connection
from automl.study.errors import StudyError


@pytest.mark.parametrize(
    "error", [OSError("AF_UNIX path length"), Exception("The current node timed out"), ConnectionError("none there")]
)
def test_whatever_ray_raises_is_one_message(tmp_path: Path, error: Exception) -> None:
    with (
        pytest.raises(StudyError, match=rf"cannot start Ray: {error}; details in .*ray\.log"),
        connection._Joining("local", tmp_path / "ray.log"),
    ):
        raise error


def test_a_fault_of_ours_stays_one(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="fault"), connection._Joining("auto", tmp_path / "ray.log"):
        raise KeyError("fault")


def test_arguments_that_ray_cannot_keep_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["automl", "d\udcfcta"])
    with pytest.raises(StudyError, match=r"d\\xfcta: must be UTF-8"):
        connection._refuse_arguments()


def test_the_longest_temporary_folder_leaves_room_for_a_socket() -> None:
    assert 30 < connection.LONGEST_TMPDIR < 50
