"""A worker whose local disk is full waits for room and is retried: its params have no part in it."""

import errno
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automl.storage import outage, scratch
from automl.study import Ending, Job, Measurement
from automl.study.errors import TrialError
from automl.trials import lease, worker
from tests.conftest import job_at
from tests.small_storage import Storage, Voice, mounted


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A temporary folder of 40 MB."""
    with mounted(tmp_path / "small", size="40m") as storage:
        monkeypatch.setattr(tempfile, "tempdir", str(storage.folder))
        yield storage


def trained(monkeypatch: pytest.MonkeyPatch, train: Callable[[Path], Measurement]) -> Callable[[Job], Ending]:
    monkeypatch.setattr(worker, "_train", lambda _folder, place, _report: train(place))
    return lambda job: worker.run(job, lambda _measurement: None)


@pytest.mark.parametrize("error", [RuntimeError("PytorchStreamWriter failed"), TrialError("no"), OSError(28, "full")])
def test_a_failure_on_a_full_disk_waits_for_room_and_counts_as_a_lost_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Storage, error: Exception
) -> None:
    def train(place: Path) -> Measurement:
        (place / "checkpoint").write_bytes(bytes(1000))
        disk.fill()
        raise error

    voice = Voice(disk.empty)
    run = trained(monkeypatch, train)
    with outage.retries_enabled(voice.settings()), pytest.raises(OSError, match="No space left on device") as caught:
        run(job_at(tmp_path / "trial", tmp_path))
    assert caught.value.errno == errno.ENOSPC
    assert "small: No space left on device; writes wait until there is free space" in voice.said[0]
    assert "there is free space again" in voice.said[-1]
    assert list(disk.folder.iterdir()) == []


def test_a_failure_on_a_disk_with_room_is_the_training_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Storage
) -> None:
    def train(place: Path) -> Measurement:
        raise RuntimeError(f"at {place.parent.name}")

    assert trained(monkeypatch, train)(job_at(tmp_path / "trial", tmp_path)).cause == "RuntimeError: at small"
    assert list(disk.folder.iterdir()) == []


def test_a_worker_that_was_replaced_waits_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Storage
) -> None:
    def train(place: Path) -> Measurement:
        disk.fill()
        raise lease.Superseded(place.name)

    with pytest.raises(lease.Superseded, match="automl-"):
        trained(monkeypatch, train)(job_at(tmp_path / "trial", tmp_path))


def test_a_folder_that_cannot_be_made_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: Storage
) -> None:
    made, tries = scratch.make, list[int]()

    def make() -> Path:
        tries.append(1)
        if len(tries) < 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return made()

    monkeypatch.setattr(scratch, "make", make)
    voice = Voice(lambda: None)
    run = trained(monkeypatch, lambda _place: Measurement(1, {}, 0.0))
    with outage.retries_enabled(voice.settings()):
        assert run(job_at(tmp_path / "trial", tmp_path)).final is not None
    assert len(tries) == 3
    assert disk.folder.exists()
