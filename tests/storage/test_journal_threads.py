"""Two threads of a driver write to its journal: the manager of the trials, and the clock that notes the time spent."""

import os
import threading
from pathlib import Path

import pytest

from automl.storage.journal import Journal
from tests.builders import METRIC, measurement, mixed_space

SPACE = mixed_space()
LIMIT = 60.0


def test_a_note_does_not_take_the_place_of_an_epoch_that_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.create(tmp_path, name="small", metric=METRIC)
    number = journal.suggested(SPACE.defaults(), SPACE, seed=0, origin="default")
    sync, asked = os.fsync, threading.Event()

    def note() -> None:
        asked.set()
        journal.note("elapsed", {"seconds": 1.0})

    clock = threading.Thread(target=note)

    def slow_sync(file: int) -> None:
        """Sync as a slow disk does: the clock's thread asks for its note meanwhile."""
        if threading.current_thread() is threading.main_thread() and not asked.is_set():
            clock.start()
            assert asked.wait(LIMIT)
            clock.join(0.5)  # long enough for a note that does not wait
        sync(file)

    monkeypatch.setattr(os, "fsync", slow_sync)
    journal.measured(number, measurement(1, 0.25), node="here")
    clock.join(LIMIT)
    journal.measured(number, measurement(2, 0.5), node="here")

    again = Journal.read(tmp_path, metric=METRIC)
    assert [one.epoch for one in again.trials()[0].measurements] == [1, 2]
    assert again.notes()["elapsed"] == {"seconds": 1.0}
