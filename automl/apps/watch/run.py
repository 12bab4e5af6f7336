"""Detection on the pictures of a source: one record a picture, printed as a line of JSON and given to receivers."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.apps.predict.sources import VIDEOS
from automl.apps.serve.field_folder import FieldFolder
from automl.apps.serve.follower import Serving
from automl.apps.serve.images import Limits
from automl.apps.serve.thresholds import Thresholds
from automl.apps.serve.version import Served
from automl.apps.watch import unsure
from automl.apps.watch.address import Address, given
from automl.apps.watch.delivery import Delivery, Receiver
from automl.apps.watch.frames import Frame, Stream, of_folder, of_video
from automl.study.errors import StudyError

RECEIVERS: Final = {
    "--post": ("http_post", "Post", ""),
    "--mqtt": ("mqtt", "Mqtt", "paho-mqtt"),
    "--modbus": ("modbus", "Modbus", "pymodbus"),
    "--opcua": ("opcua", "OpcUa", "asyncua"),
}
"""Maps an option to the module of its receiver, its class, and the package that it needs."""
FLUSH_SECONDS: Final = 30.0
"""Time for the records that wait when a source has ended."""
STOP_SECONDS: Final = 3.0
"""The same when the user stops."""
EXTRA: Final = "yolo-automl-ray[watch]"


@dataclass(frozen=True, slots=True)
class Source:
    """A folder, a video file or the address of a stream."""

    address: Address

    @property
    def live(self) -> bool:
        """Return True if a picture that is not read in time is gone."""
        return "://" in self.address.url

    @contextmanager
    def frames(self, limits: Limits) -> Iterator[Iterator[Frame]]:
        """Yield the pictures.

        Raises:
            StudyError: the source is no folder, video or stream.
        """
        path = Path(self.address.url)
        if self.live:
            with Stream(self.address).reading() as found:
                yield found
        elif path.is_dir():
            yield of_folder(path, limits)
        elif path.is_file() and path.suffix.lower() in VIDEOS:
            yield of_video(path)
        else:
            raise StudyError(
                f"{self.address}: must be a folder, a video ({', '.join(sorted(VIDEOS))}) or the address of a stream "
                f"(rtsp://...), but {'is none' if path.exists() else 'does not exist'}"
            )


def receivers(options: Mapping[str, str | None], served: Served) -> list[Receiver]:
    """Return the receivers of the options that are given, for the classes of a version.

    Raises:
        StudyError: an address is wrong, or a package is not installed.
    """
    classes = [name for _, name in sorted(served.detector.names.items())]
    return [receiver(option, text, classes=classes) for option, text in options.items() if text is not None]


def receiver(option: str, text: str, *, classes: Sequence[str]) -> Receiver:
    """Return the receiver that an option names.

    Raises:
        StudyError: its address is wrong, or its package is not installed.
    """
    module, name, package = RECEIVERS[option]
    address = given(text, option=option)
    try:
        made = getattr(importlib.import_module(f"automl.apps.watch.{module}"), name)
    except ModuleNotFoundError as error:
        raise StudyError(f"{option}: must have {package}, but {error}; pip install '{EXTRA}'") from None
    found: Receiver = made(address, classes) if option == "--modbus" else made(address)
    return found


def records(
    serving: Serving,
    frames: Iterator[Frame],
    source: Source,
    wanted: Callable[[Thresholds], Thresholds],
    *,
    field: FieldFolder | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield a record for each picture, by the version that serves when the picture is read.

    `field` keeps the pictures of which the model is unsure, and a few others.
    """
    for frame in frames:
        served = serving.current
        record = {"model": served.name, "version": served.number, "source": str(source.address), "at": frame.at}
        record |= frame.place
        if source.live:
            record["skipped"] = frame.skipped
        if frame.picture is None:
            yield record | {"error": frame.error}
            continue
        height, width = frame.picture.shape[:2]
        found: dict[str, Any] = {"width": width, "height": height}
        if field is None:
            yield record | found | {"boxes": served.detector.detect(frame.picture, wanted(served.thresholds))}
            continue
        found["boxes"], doubt = served.detector.detect_with_doubt(frame.picture, wanted(served.thresholds))
        yield record | found | unsure.kept(field, served, frame.picture, found, doubt=doubt)


def deliver(
    found: Iterator[Mapping[str, Any]], wanted: Sequence[Receiver], *, live: bool, show: Callable[[Any], None]
) -> None:
    """Show and deliver all records.

    Raises:
        StudyError: the source ended, and a receiver did not take all records.
    """
    deliveries = [Delivery(one, live=live) for one in wanted]
    ended = False
    try:
        for record in found:
            for delivery in deliveries:
                delivery.put(record)
            show(record)  # last: what is seen is delivered, whenever the user stops
        ended = True
    finally:
        seconds = FLUSH_SECONDS if ended else STOP_SECONDS
        left = {one.address: queue.finish(seconds=seconds) for one, queue in zip(wanted, deliveries, strict=True)}
    if lost := [
        f"{address}: must take all records, but did not take {count}" for address, count in left.items() if count
    ]:
        raise StudyError(*lost)
