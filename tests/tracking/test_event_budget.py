"""Over the budget the oldest pictures go; scalars and the newest picture stay."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from automl.storage.epoch_details import EpochDetails
from automl.tracking import event_budget, summaries
from automl.tracking.event_file import EventFile

PICTURE = b"\x89PNG" + bytes(12) + (8).to_bytes(4, "big") * 2 + bytes(10_000)


def filled(folder: Path, *, epochs: int) -> EventFile:
    file = EventFile(folder)
    for epoch in range(1, epochs + 1):
        file.add(Event(step=epoch, summary=summaries.scalars({"val/map50_95": epoch / 10})))
        file.add(Event(step=epoch, summary=summaries.pictures(EpochDetails(images={"val/predictions": PICTURE}))))
    file.shown = epochs
    assert not file.flush()
    return file


def steps_of(folder: Path, tag: str) -> list[int]:
    """Return the steps at which the event files of a folder have a tag."""
    events = [event for path in sorted(folder.glob("events*")) for event in EventFileLoader(str(path)).Load()]
    return [event.step for event in events for value in event.summary.value if value.tag == tag]


def shown(folder: Path) -> tuple[list[int], list[int]]:
    return steps_of(folder, "val/map50_95"), steps_of(folder, "val/predictions")


def test_within_the_budget_nothing_changes(tmp_path: Path) -> None:
    file = filled(tmp_path, epochs=5)

    assert event_budget.kept_within(file, 100_000) is file
    assert shown(tmp_path) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])


@pytest.mark.parametrize(("limit", "left"), [(60_000, [7, 8, 9, 10]), (1_000, [10])])
def test_over_the_budget_the_oldest_pictures_go(tmp_path: Path, limit: int, left: list[int]) -> None:
    file = filled(tmp_path, epochs=10)

    fresh = event_budget.kept_within(file, limit)

    assert fresh.path != file.path
    assert not file.path.exists()
    assert fresh.shown == 10
    assert shown(tmp_path) == ([*range(1, 11)], left)


def test_the_new_file_is_continued(tmp_path: Path) -> None:
    fresh = event_budget.kept_within(filled(tmp_path, epochs=10), 60_000)
    fresh.add(Event(step=11, summary=summaries.scalars({"val/map50_95": 1.1})))

    assert not fresh.flush()
    assert shown(tmp_path)[0] == [*range(1, 12)]
