"""A storage that answers with an error does not end a study at its event files."""

import errno
import os
from pathlib import Path

import pytest

from automl.storage.outage import RetrySettings, retries_enabled
from automl.tracking.tensorboard_writer import Board, BoardSettings
from tests.builders import METRIC, rates_space, trial_of


def test_a_folder_that_cannot_be_listed_is_waited_for_or_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing, errors, said = os.scandir, list[OSError](), list[str]()

    def failing(place: Path | str) -> object:
        if errors and Path(place).is_relative_to(tmp_path):
            raise errors.pop()
        return listing(place)

    def fail(count: int) -> None:
        errors.extend(OSError(errno.EIO, "Input/output error") for _ in range(count))

    monkeypatch.setattr(os, "scandir", failing)
    settings = RetrySettings(say=said.append, clock=iter(range(10**6)).__next__, sleep=lambda _seconds: None)
    folder = tmp_path / "trials/0000"
    (folder / "pictures").mkdir(parents=True)
    for epoch in (1, 2):
        (folder / f"pictures/{epoch:06d}.npz").write_bytes(b"")
    with retries_enabled(settings):
        fail(1)
        board = Board(tmp_path, rates_space(), BoardSettings(METRIC))
        fail(1)
        board.on_start(trial_of(0), folder)
        assert len(said) == 4
        fail(1)
        board.on_measurement(trial_of(0, [0.5]))
        board.on_measurement(trial_of(0, [0.5, 0.6]))
    assert not errors
