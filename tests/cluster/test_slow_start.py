"""A node that starts slowly is waited for as long as its raylet runs; one that ended is not."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray._private import services

from automl.cluster import slow_start
from tests.processes import ended


@pytest.fixture
def raylet(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called as Ray's."""
    (tmp_path / "raylet").symlink_to(shutil.which("sleep") or "")
    with ended(subprocess.Popen([tmp_path / "raylet", "600"])) as process:
        yield process
        process.kill()


class Store:
    """Stands for the control store of a busy machine: knows the node when asked for the third time."""

    def __init__(self, asked: int = 3) -> None:
        self.asked = asked

    def get_node(self, gcs_address: str, node_id: str) -> dict[str, str]:
        self.asked -= 1
        if self.asked:
            raise RuntimeError("RPC error: Deadline Exceeded")
        return {"store": gcs_address, "node": node_id}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    made = Store()
    monkeypatch.setattr(services, "get_node", made.get_node)
    monkeypatch.setattr(slow_start, "PAUSE", 0.0)
    return made


def test_a_node_whose_raylet_runs_is_waited_for(store: Store, raylet: subprocess.Popen[bytes]) -> None:
    assert slow_start.raylets() == [raylet.pid]
    before = services.get_node
    with slow_start.allowed():
        assert services.get_node("here", "one") == {"store": "here", "node": "one"}
    assert (services.get_node, store.asked) == (before, 0)


@pytest.mark.usefixtures("raylet")
def test_a_node_that_hangs_is_told(store: Store) -> None:
    store.asked = 10**9
    with slow_start.allowed(0.1), pytest.raises(RuntimeError, match="Deadline Exceeded"):
        services.get_node("here", "one")


def test_a_node_whose_raylet_ended_is_not_waited_for(store: Store) -> None:
    with slow_start.allowed(), pytest.raises(RuntimeError, match="Deadline Exceeded"):
        services.get_node("here", "one")
    assert store.asked == 2
