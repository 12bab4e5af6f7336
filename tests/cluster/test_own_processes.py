"""Processes of an embedded Ray that end are told by name and signal, with a full disk as the cause."""

import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from ray._private import worker as ray_worker

from automl.cluster import control_store, own_processes
from automl.cluster.control_store import Timeouts
from automl.storage import local_disk


def ended_by(number: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    process.send_signal(number)
    process.wait()
    return process


def node_of(*dead: tuple[str, Any]) -> Any:
    return SimpleNamespace(dead_processes=lambda: list(dead))


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Free bytes of all local folders, with no memory of earlier ones."""
    found = {"free": 10**9}
    monkeypatch.setattr(local_disk, "_free", lambda _place: found["free"])
    monkeypatch.setattr(local_disk, "SHORTAGE", local_disk.Shortage())
    return found


def test_a_raylet_that_a_signal_ended_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_worker, "_global_node", node_of(("raylet", ended_by(signal.SIGBUS))))
    assert own_processes.died() == "Ray's process raylet ended by SIGBUS"


def test_a_full_disk_is_told_as_the_cause(monkeypatch: pytest.MonkeyPatch, room: dict[str, int]) -> None:
    monkeypatch.setattr(ray_worker, "_global_node", node_of(("gcs_server", SimpleNamespace(returncode=1))))
    room["free"] = 0
    said = own_processes.died()
    assert said.startswith("Ray's process gcs_server ended with exit code 1; ")
    assert "/dev/shm had no room left" in said


@pytest.mark.parametrize("node", [None, node_of(), node_of(("dashboard", SimpleNamespace(returncode=1)))])
def test_a_ray_that_lives_is_not_told(node: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_worker, "_global_node", node)
    assert own_processes.died() == ""


def test_the_watch_ends_the_study_at_the_death_of_a_needed_process(caplog: pytest.LogCaptureFixture) -> None:
    said = iter(["", "Ray's process raylet ended by SIGBUS"])
    watch = control_store.Watch(lambda: "a", timeouts=Timeouts(), died=lambda: next(said))
    assert watch.look()
    assert not watch.look()
    assert watch.why == "Ray's process raylet ended by SIGBUS"
    assert caplog.messages == [
        "cluster: Ray's process raylet ended by SIGBUS; this process exits, the study can be resumed"
    ]
