"""Byte budget of a trial's event files: over it the oldest pictures are deleted, scalars and texts never.

An event file cannot lose records in its middle while TensorBoard reads it, so the events that stay are written to a
new file, and the old ones are deleted; TensorBoard continues with the new file.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from automl.storage import files
from automl.tracking.event_file import EventFile

PATTERN: Final = "events.out.tfevents.*"
PICTURES: Final = frozenset({"images", "pr_curves", "histograms"})
"""Plugins whose records may be deleted."""
ROOM: Final = 0.7
"""A full budget is emptied to this share, so that it is not rewritten after each picture."""


def kept_within(file: EventFile, limit: float) -> EventFile:
    """Return the file to write on: this one, or a new one without the oldest pictures if all exceed the limit.

    Args:
        file: the open event file; all its events are written.
        limit: bytes for all event files of its folder.
    """
    paths = sorted(file.path.parent.glob(PATTERN))
    if sum(path.stat().st_size for path in paths) <= limit:
        return file
    events = [event for path in paths for event in _events(path) if not event.file_version]
    fresh = EventFile(file.path.parent)
    fresh.shown, fresh.detailed, fresh.waits = file.shown, file.detailed, file.waits
    for event in _trimmed(events, ROOM * limit):
        fresh.add(event)
    if fresh.flush():
        return file  # no room now; the next picture tries again
    for path in paths:
        path.unlink(missing_ok=True)
    files.sync_folder(file.path.parent)
    return fresh


def _events(path: Path) -> Iterator[Event]:
    for record in RawEventFileLoader(str(path)).Load():
        yield Event.FromString(record)


def _trimmed(events: Sequence[Event], limit: float) -> list[Event]:
    """Return the events without pictures of the oldest epochs, as few as fit the limit; the newest pictures stay."""
    epochs = sorted({event.step for event in events if _pictured(event)})
    sizes = [_size(event) for event in events]
    total = sum(sizes)
    gone: set[int] = set()
    for epoch in epochs[:-1]:
        if total <= limit:
            break
        gone.add(epoch)
        total -= sum(
            size for event, size in zip(events, sizes, strict=True) if event.step == epoch and _pictured(event)
        )
    return [event for event in events if event.step not in gone or not _pictured(event)]


def _pictured(event: Event) -> bool:
    return any(value.metadata.plugin_data.plugin_name in PICTURES for value in event.summary.value)


def _size(event: Event) -> int:
    buffer = io.BytesIO()
    RecordWriter(buffer).write(event.SerializeToString())
    return len(buffer.getvalue())
