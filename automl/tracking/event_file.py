"""TensorBoard event file, written without a thread and not kept open.

Records that cannot be written now (full disk, unavailable mount) are buffered and written later: none is partial, and
none is lost while the process lives.
"""

import io
import itertools
import os
import socket
import time
from pathlib import Path
from typing import Final

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from automl.storage import files

VERSION: Final = "brain.Event:2"
_numbers: Final = itertools.count()


class EventFile:
    """A new event file in a folder."""

    def __init__(self, folder: Path) -> None:
        """Create an empty event file; it is written at the first flush."""
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self.path = folder / name
        self._pending = io.BytesIO()
        self._records = RecordWriter(self._pending)
        self._end = 0
        self.shown = 0
        """The last epoch whose pictures were added."""
        self.detailed = 0
        """The last epoch whose details were added."""
        self.waits = False
        """Whether it was logged that some could not be read."""
        self.add(Event(wall_time=time.time(), file_version=VERSION))

    def add(self, event: Event) -> None:
        """Add an event; `flush` writes it."""
        self._records.write(event.SerializeToString())

    def flush(self) -> str:
        """Write the added events; return the error as text, empty if all are written."""
        content = self._pending.getvalue()
        try:
            if content:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                there = self.path.stat().st_size if self.path.exists() else 0  # less than we wrote if it was truncated
                self._end = files.append(self.path, content, end=min(self._end, there), sync=False)
        except OSError as error:
            return f"{self.path}: {error.strerror}"
        self._pending.seek(0)
        self._pending.truncate()
        return ""
