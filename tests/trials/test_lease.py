"""Who may write in a trial's folder, and what is heard of it."""

import errno
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from automl.storage.layout import ATTEMPT
from automl.trials import heartbeat, lease
from automl.trials.lease import Superseded

FAST = 0.02


def wait_for(folder: Path) -> heartbeat.Beat:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if beat := heartbeat.read(folder):
            return beat
        time.sleep(FAST)
    raise TimeoutError


def test_attempts_count_from_1_and_only_the_last_may_write(tmp_path: Path) -> None:
    assert [lease.acquire(tmp_path) for _ in range(3)] == [1, 2, 3]

    lease.check(tmp_path, 3)
    with pytest.raises(Superseded, match=r"attempt 3 has superseded attempt 2"):
        lease.check(tmp_path, 2)


def test_where_no_attempt_was_given_out_anyone_may_write(tmp_path: Path) -> None:
    lease.check(tmp_path, 1)

    assert heartbeat.read(tmp_path) is None


@pytest.mark.parametrize("rubbish", ["", "{", "[1]", '{"attempt": 1}'])
def test_half_a_heartbeat_is_none(tmp_path: Path, rubbish: str) -> None:
    (tmp_path / heartbeat.BEAT).write_text(rubbish)

    assert heartbeat.read(tmp_path) is None


def test_a_process_is_heard_again_and_again_until_it_ends(tmp_path: Path) -> None:
    lease.acquire(tmp_path)
    with heartbeat.heartbeats(tmp_path, 1, seconds=FAST):
        first = wait_for(tmp_path)
        while (second := wait_for(tmp_path)).at == first.at:
            time.sleep(FAST)

    assert (second.since, second.attempt, second.node, second.process) == (
        first.since, 1, first.node, first.process,
    )  # fmt: skip
    assert datetime.fromisoformat(second.at) > datetime.fromisoformat(first.at)
    assert heartbeat.read(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == [ATTEMPT]


def test_a_heartbeat_of_an_earlier_attempt_is_not_of_the_present_one(tmp_path: Path) -> None:
    lease.acquire(tmp_path)
    with heartbeat.heartbeats(tmp_path, 1, seconds=FAST):
        assert wait_for(tmp_path) is not None
        assert heartbeat.present(tmp_path) is not None

        lease.acquire(tmp_path)

        assert heartbeat.present(tmp_path) is None


def test_one_whose_place_was_taken_is_silent(tmp_path: Path) -> None:
    lease.acquire(tmp_path)
    with heartbeat.heartbeats(tmp_path, 1, seconds=FAST):
        wait_for(tmp_path)
        lease.acquire(tmp_path)
        deadline = time.monotonic() + 120
        while any(thread.name == "heartbeat" for thread in threading.enumerate()) and time.monotonic() < deadline:
            time.sleep(FAST)

        assert not any(thread.name == "heartbeat" for thread in threading.enumerate())


def test_a_heartbeat_that_cannot_be_written_is_missed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    with heartbeat.heartbeats(tmp_path / "gone", 1, seconds=FAST):
        wait_for(tmp_path / "gone")
        for path in (tmp_path / "gone").iterdir():
            path.unlink(missing_ok=True)
        (tmp_path / "gone").rename(tmp_path / "elsewhere")
        time.sleep(3 * FAST)

        assert any(thread.name == "heartbeat" for thread in threading.enumerate())


def test_a_storage_that_is_away_silences_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_folder: Path) -> int:
        raise OSError(errno.ESTALE, "Stale file handle")

    lease.acquire(tmp_path)
    monkeypatch.setattr(lease, "latest", away)
    with heartbeat.heartbeats(tmp_path, 1, seconds=FAST):
        first = wait_for(tmp_path)
        while wait_for(tmp_path).at == first.at:
            time.sleep(FAST)
    monkeypatch.setattr(Path, "read_text", lambda *_args, **_more: away(tmp_path))

    assert heartbeat.read(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", 3),
        ("low 0\noom 1\noom_kill 2\n", 2),
        ("", 0),
        ("oom_kill x", 0),
    ],
)
def test_processes_ended_for_want_of_memory_are_counted(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "file").write_text(text)

    assert heartbeat.kills(str(tmp_path / "file")) == count
    assert heartbeat.kills(str(tmp_path / "none")) == 0


def test_this_machine_counts_them_somewhere() -> None:
    assert "oom_kill " in Path(heartbeat.memory_file()).read_text()
