"""A worker that the kernel ends for want of memory, told from one that dies of something else."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.exceptions import ActorUnavailableError

from automl.cluster import failures
from automl.study import Kind
from automl.trials import heartbeat
from tests.processes import ended

MEMORY = Path("/sys/fs/cgroup/memory")
MEGABYTES = 64

HUNGRY = """
import sys, time
from pathlib import Path
from automl.trials import heartbeat
Path(sys.argv[2], "cgroup.procs").write_text("0")
with heartbeat.heartbeats(Path(sys.argv[1]), 1, seconds=0.1):
    while heartbeat.read(Path(sys.argv[1])) is None:
        time.sleep(0.05)
    if sys.argv[3] == "eat":
        kept = []
        while True:
            kept.append(bytearray(b"x" * (1 << 20)))
    time.sleep(60)
"""


@pytest.fixture
def cap() -> Iterator[Path]:
    """A control group that holds little memory."""
    group = MEMORY / f"automl-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(MEGABYTES << 20))
    except OSError as error:
        pytest.skip(f"no control group for memory can be made here: {error.strerror}")
    try:
        yield group
    finally:
        for _ in range(50):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.1)


@pytest.fixture(scope="module")
def idle_workers() -> Iterator[None]:
    """Have Ray start idle workers, as it does for users: one of them tells at once what the kernel did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_prestart_worker_first_driver", "1")
        yield


@pytest.mark.ray
@pytest.mark.usefixtures("idle_workers", "connection")
@pytest.mark.parametrize(("what", "kind"), [("eat", Kind.MEMORY), ("die", Kind.WORKER)])
def test_the_kernel_s_kill_for_memory_is_told_from_another(tmp_path: Path, cap: Path, what: str, kind: Kind) -> None:
    with ended(subprocess.Popen([sys.executable, "-c", HUNGRY, str(tmp_path), str(cap), what])) as worker:
        while (beat := heartbeat.read(tmp_path)) is None:
            assert worker.poll() is None
            time.sleep(0.05)
        if what == "die":
            worker.kill()
        assert worker.wait(timeout=360) == -9

    loss = failures.loss_of(RuntimeError("the worker died"), tmp_path)

    assert (loss.kind, loss.cause, loss.node) == (kind, "RuntimeError: the worker died", beat.node)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The actor died because its node has died. Node Id: 1", Kind.NODE),
        ("Task was killed due to the node running low on memory.", Kind.MEMORY),
        ("Worker unexpectedly exits with a connection error code 2. (1) killed by the OOM killer", Kind.WORKER),
    ],
)
def test_what_ray_says_tells_the_kind(tmp_path: Path, text: str, kind: Kind) -> None:
    assert failures.loss_of(RuntimeError(text), tmp_path).kind is kind


def test_one_that_cannot_be_reached_is_lost_with_its_node(tmp_path: Path) -> None:
    error = ActorUnavailableError("the connection is broken", b"0" * 16)

    assert failures.loss_of(error, tmp_path).kind is Kind.NODE


def test_a_loss_without_a_word_is_one_of_the_worker(tmp_path: Path) -> None:
    loss = failures.loss_of(None, tmp_path)

    assert (loss.kind, loss.cause) == (Kind.WORKER, "no reason given")
