"""The version that serves follows its alias; a version that is broken changes nothing and is told once."""

import logging
import threading
import time
from pathlib import Path

import pytest

from automl.apps.serve import follower, version
from automl.apps.serve.follower import Failure, Serving, following
from automl.storage.registry import Registry
from automl.study.errors import RegistryError
from tests import detectors


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return detectors.registered(tmp_path, 1.0, 0.9, float("nan"), 0.8)


def serving(registry: Registry, clock: Clock | None = None) -> Serving:
    return Serving(version.load(registry, "champion"), registry=registry, alias="champion", clock=clock or Clock())


def test_a_version_is_replaced_when_the_alias_moves(registry: Registry) -> None:
    held = serving(registry)
    before = held.current
    held.poll()
    assert held.current is before
    registry.promote(2, why="better")
    held.poll()
    assert (held.current.number, held.swaps, held.failed_swaps, held.failure) == (2, 1, 0, None)
    registry.rollback(why="worse")
    held.poll()
    assert (held.current.number, held.swaps) == (1, 2)


def test_a_broken_version_is_refused_told_once_and_tried_again_later(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    held = serving(registry, clock)
    registry.promote(3, why="broken")
    tried = []
    for _ in range(200):
        held.poll(every=2.0)
        tried.append(held.failed_swaps)
        clock.now += 2.0
    assert held.current.number == 1
    assert held.failure == Failure(
        3, "versions/0003/model.onnx: must have finite outputs, but some are NaN or infinite"
    )
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "version 3 is not served, version 1 continues to serve: versions/0003/model.onnx" in caplog.text
    assert tried[:9] == [1, 2, 2, 3, 3, 3, 3, 4, 4]  # after 2, 4, 8, ... seconds
    assert 8 <= tried[-1] <= 12


def test_the_next_version_serves_whatever_was_refused_before(registry: Registry) -> None:
    held = serving(registry)
    registry.promote(3, why="broken")
    held.poll(every=60.0)
    registry.promote(4, why="mended")
    held.poll(every=60.0)
    assert (held.current.number, held.failure) == (4, None)


def test_a_refused_version_that_is_taken_back_is_forgotten(registry: Registry) -> None:
    held = serving(registry)
    registry.promote(3, why="broken")
    held.poll()
    registry.rollback(why="broken")
    held.poll()
    assert (held.current.number, held.swaps, held.failure) == (1, 0, None)


def test_a_flipped_byte_is_refused(registry: Registry) -> None:
    held = serving(registry)
    registry.promote(2, why="better")
    path = registry.path(2) / "model.onnx"
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    held.poll()
    assert held.current.number == 1
    assert held.failure is not None
    assert held.failure.reason.startswith("versions/0002/model.onnx: SHA-256 must be ")


def test_damaged_aliases_change_nothing(registry: Registry) -> None:
    held = serving(registry)
    (registry.folder / "aliases.json").write_text("{")
    held.poll()
    assert held.current.number == 1
    assert held.failure is not None
    assert held.failure.version is None
    assert "aliases.json: must be readable JSON" in held.failure.reason


def test_no_memory_for_a_second_version_changes_nothing(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    held = serving(registry)
    registry.promote(2, why="better")

    def full(_registry: Registry, _version: int, *, target: str) -> None:
        del target
        raise MemoryError

    monkeypatch.setattr(follower, "load", full)
    held.poll()
    assert (held.current.number, held.failure) == (1, Failure(2, "MemoryError"))


def test_a_fixed_version_stays(registry: Registry) -> None:
    held = Serving(version.load(registry, 1))
    registry.promote(2, why="better")
    held.poll()
    with following(held, every=0.01) as thread:
        assert thread is None
    assert held.current.number == 1


def test_the_alias_is_followed_in_a_thread(registry: Registry) -> None:
    held = serving(registry)
    with following(held, every=0.01) as thread:
        registry.promote(2, why="better")
        end = time.monotonic() + 300
        while held.current.number == 1 and time.monotonic() < end:
            time.sleep(0.01)
        assert held.current.number == 2
    assert thread is not None
    thread.join(300)
    assert not thread.is_alive()


def test_an_alias_that_is_not_there_is_told_at_the_start(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="must contain a version with the alias 'previous', but has"):
        version.load(registry, "previous")


def test_a_thread_that_has_ended_is_shown(registry: Registry) -> None:
    held = serving(registry)
    assert held.failure is None
    held.thread = threading.Thread(target=held.poll)
    held.thread.start()
    held.thread.join()
    assert held.failure == Failure(None, "the thread that follows the alias has ended; restart the server")
