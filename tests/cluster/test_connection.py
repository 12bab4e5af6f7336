"""What is said where Ray cannot be started or joined."""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private import worker as ray_worker

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
        connection.refuse_arguments()


def test_a_stop_while_ray_starts_is_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(**_: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(number))  # as Ray's own `init` does first
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt, match=r"^$"), connection.interruptible():
        connection._join("local", tmp_path / "ray.log", dashboard_wanted=True)
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_exit_of_ray_stays_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="1"), connection._Joining("local", tmp_path / "ray.log"):
        sys.exit(1)


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limit of open files, a list of one that grows."""
    held = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: held[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, limit: held.append(limit))
    return held


@pytest.mark.parametrize(
    ("limit", "becomes"),
    [((1024, 4096), None), ((64, 4096), (256, 4096)), ((64, -1), (256, -1)), ((-1, -1), None), ((256, 256), None)],
)
def test_the_limit_of_open_files_is_raised_where_it_may_be(
    limits: list[tuple[int, int]], limit: tuple[int, int], becomes: tuple[int, int] | None
) -> None:
    limits[:] = [limit]
    connection._raise_file_limit()
    assert limits == [limit, *([becomes] if becomes else [])]


def test_too_low_a_limit_of_open_files_is_refused(limits: list[tuple[int, int]]) -> None:
    limits[:] = [(64, 64)]
    with pytest.raises(StudyError, match=r"ulimit -n: must allow a process at least 256 open files, .* but got 64"):
        connection._raise_file_limit()


def test_what_nodes_publish_goes_to_ray_s_log_and_not_to_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = ray_worker.print_to_stdstream
    published: dict[str, Any] = {"lines": ["Raylet is terminated. [state-dump]"], "pid": "raylet", "is_err": False}
    with connection._ray_output_to(tmp_path / "ray.log"):
        ray_worker.print_to_stdstream(published, ignore_prefix=False)
    assert ray_worker.print_to_stdstream is before
    assert (tmp_path / "ray.log").read_text() == "(raylet) Raylet is terminated. [state-dump]\n"
    assert capfd.readouterr() == ("", "")


def test_the_longest_temporary_folder_leaves_room_for_a_socket() -> None:
    assert 30 < connection.LONGEST_TMPDIR < 50
