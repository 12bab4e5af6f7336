"""Pictures of a training that are in its event files or wait to be written there."""

from pathlib import Path
from typing import Final

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from automl.storage import epoch_details
from automl.study.errors import StudyError

PATTERN: Final = "events.out.tfevents.*"


def latest(folder: Path, tag: str) -> bytes:
    """Return the encoded picture of the last epoch with this tag in a training's folder; empty if there is none."""
    return max(_found(folder, tag), key=_epoch, default=(0, b""))[1]


def first(folder: Path, tag: str) -> bytes:
    """Return the encoded picture of the first epoch with this tag, which may be the last as well; empty if none."""
    return min(_found(folder, tag), key=_epoch, default=(0, b""))[1]


def _found(folder: Path, tag: str) -> list[tuple[int, bytes]]:
    return [*_waiting(folder, tag), *_written(folder, tag)]


def _epoch(picture: tuple[int, bytes]) -> int:
    return picture[0]


def _waiting(folder: Path, tag: str) -> list[tuple[int, bytes]]:
    found = []
    for epoch, path in epoch_details.picture_files(folder):
        try:
            images = epoch_details.EpochDetails.load(path).images
        except (StudyError, OSError):  # damaged or gone: an earlier picture is shown
            continue
        if tag in images:
            found.append((epoch, images[tag]))
    return found


def _written(folder: Path, tag: str) -> list[tuple[int, bytes]]:
    found = []
    for path in sorted(folder.glob(PATTERN)):
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            found += [(event.step, image) for one in event.summary.value if one.tag == tag and (image := _image(one))]
    return found


def _image(value: Summary.Value) -> bytes:
    """Return the encoded picture of a summary value, which stands behind width and height; empty if it has none."""
    held = value.tensor.string_val
    return bytes(held[2]) if len(held) > 2 else b""
