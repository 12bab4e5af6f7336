"""What is said while the work of a node has no result."""

import logging
from typing import Any

import pytest
import ray

from automl.cluster import remote_call
from automl.storage import local_disk
from tests.simulated_study import Clock

TASK: Any = object()
MINUTES = 12


def test_long_work_is_named_now_and_then_and_a_full_folder_each_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="automl")
    clock, full = Clock(), {7.0, 8.0}
    begun = clock.now

    def wait(tasks: list[Any], *, timeout: float) -> tuple[list[Any], list[Any]]:
        clock.now += timeout
        return ([], tasks) if minutes() < MINUTES else (tasks, [])

    def minutes() -> float:
        return (clock.now - begun) / 60

    monkeypatch.setattr(ray, "wait", wait)
    monkeypatch.setattr(local_disk, "with_cause", lambda text: text + "; /tmp is full" * (minutes() in full))

    assert remote_call.finished(TASK, clock) is TASK
    assert [(record.levelname, record.message) for record in caplog.records] == [
        (level, f"export and evaluation: no result since {minute}m00s; waiting for one{cause}")
        for level, minute, cause in (
            ("INFO", 5, ""), ("WARNING", 7, "; /tmp is full"), ("WARNING", 8, "; /tmp is full"), ("INFO", 10, ""),
        )
    ]  # fmt: skip
