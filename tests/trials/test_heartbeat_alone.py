"""Another driver that lives is found by its heartbeats where the lock did not keep it out; a dead one delays nobody."""

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from automl.study.errors import StudyError
from automl.trials import heartbeat
from tests.guarded_worker import wait_until
from tests.processes import ended

BEATS = """
import sys, time
from pathlib import Path
from automl.trials import heartbeat
with heartbeat.heartbeats(Path(sys.argv[1]), 0, seconds=0.05):
    print("beats", flush=True)
    time.sleep(600)
"""


def beat(folder: Path, *, node: str = "elsewhere", process: int = 7, age: float = 5.0) -> None:
    at = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="milliseconds")
    plain = {"attempt": 0, "node": node, "process": process, "since": at, "at": at}
    (folder / heartbeat.BEAT).write_text(json.dumps(plain))


class Sleeps:
    """Counts the pauses, and writes a heartbeat in one of them."""

    def __init__(self, folder: Path, *, alive: bool) -> None:
        self.folder, self.alive, self.count = folder, alive, 0

    def __call__(self, _seconds: float) -> None:
        self.count += 1
        if self.alive and self.count == 9:
            beat(self.folder, age=0.0)


def test_a_driver_that_lives_although_the_lock_is_free_is_refused(tmp_path: Path) -> None:
    with ended(subprocess.Popen([sys.executable, "-c", BEATS, tmp_path], stdout=subprocess.PIPE, text=True)) as other:
        assert other.stdout
        assert other.stdout.readline() == "beats\n"
        wait_until(lambda: heartbeat.read(tmp_path))
        with pytest.raises(StudyError, match=rf"one driver at a time must run, but process {other.pid} on .* writes"):
            heartbeat.check_alone(tmp_path, sleep=lambda _seconds: until_the_next(tmp_path))
        other.kill()
    heartbeat.check_alone(tmp_path, sleep=lambda _seconds: pytest.fail("a dead process of this node is not waited for"))


def until_the_next(folder: Path) -> None:
    before = heartbeat.read(folder)
    assert wait_until(lambda: heartbeat.read(folder) != before)


@pytest.mark.parametrize("alive", [True, False])
def test_a_driver_of_another_node_is_watched_for_its_next_heartbeat(tmp_path: Path, alive: bool) -> None:  # noqa: FBT001
    beat(tmp_path)
    sleeps = Sleeps(tmp_path, alive=alive)
    if alive:
        with pytest.raises(StudyError, match="although its lock is not held"):
            heartbeat.check_alone(tmp_path, sleep=sleeps)
    else:
        heartbeat.check_alone(tmp_path, sleep=sleeps)
    assert sleeps.count == (9 if alive else 25)


@pytest.mark.parametrize(
    "given",
    [{"age": 3600.0}, {"node": socket.gethostname(), "process": os.getpid()}, {"process": -5, "age": 1e6}],
    ids=["long ago", "this process's own number", "no process"],
)
def test_a_heartbeat_of_a_driver_that_is_gone_is_not_waited_for(tmp_path: Path, given: dict[str, object]) -> None:
    beat(tmp_path, **given)  # type: ignore[arg-type]
    heartbeat.check_alone(tmp_path, sleep=lambda _seconds: pytest.fail("must not wait"))


@pytest.mark.parametrize(
    "change",
    [
        {"at": "noon"}, {"at": "2026-11-28T10:00:00"}, {"at": 5}, {"attempt": "0"}, {"process": 1.5}, {"node": None},
        {"more": 1}, {"kills": 10**400},
    ],
)  # fmt: skip
def test_a_heartbeat_of_wrong_types_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    beat(tmp_path)
    path = tmp_path / heartbeat.BEAT
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert heartbeat.read(tmp_path) is None
