"""A writer waits for another one: with one message, for a bounded time."""

from pathlib import Path

import pytest

from automl.storage import files, writer_lock
from automl.study.errors import RegistryError


def test_a_lock_that_is_held_for_seconds_is_waited_for_with_one_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other, waits = files.locked(tmp_path), list[float]()
    other.__enter__()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 30:
            other.__exit__(None, None, None)

    with (
        writer_lock.held(tmp_path, seconds=60, clock=lambda: sum(waits), sleep=sleep),
        pytest.raises(files.LockedError, match="must have one writer at a time"),
        files.locked(tmp_path),
    ):
        pass
    assert len(waits) == 30
    (record,) = caplog.records
    assert "is writing; waits for it, 1m00s at most" in record.message


def test_a_lock_that_is_held_longer_is_given_up_with_its_holder_and_the_remedy(tmp_path: Path) -> None:
    waits = list[float]()
    with (
        files.locked(tmp_path),
        pytest.raises(RegistryError, match=r"within 1m00s, but process \d+ on .* since .* is writing; .*automl resume"),
        writer_lock.held(tmp_path, seconds=60, clock=lambda: sum(waits), sleep=waits.append),
    ):
        pass
    assert 60 <= sum(waits) < 61


def test_odd_bytes_in_a_lock_file_are_no_error_of_their_own(tmp_path: Path) -> None:
    with files.locked(tmp_path):
        (tmp_path / ".lock").write_bytes(b"\xff\xfe")
        with pytest.raises(files.LockedError, match=r"must have one writer at a time, but .* is writing"):
            files.locked(tmp_path).__enter__()
