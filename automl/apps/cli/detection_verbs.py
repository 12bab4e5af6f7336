"""Verbs that detect: predict, watch."""

import json as json_text
import logging
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from automl.apps.cli.messages import UNSEEN, print_line, readable
from automl.apps.cli.options import Force, Json, ModelVersion, Storage, TargetName
from automl.study.errors import StudyError

if TYPE_CHECKING:
    from automl.apps.predict.run import Found
    from automl.apps.serve.follower import Serving
    from automl.apps.serve.thresholds import Thresholds
    from automl.apps.serve.version import Served

OUT: Final = Path("predictions")
MAX_PIXELS: Final = 100_000_000
"""Of your own images; decoding takes up to 6 bytes a pixel."""

POLL_SECONDS: Final = 2.0

Conf = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Least confidence of a box; default: as recorded in the version."),
]
Iou = Annotated[float | None, typer.Option(min=0, max=1, help="IoU threshold of non-maximum suppression.")]
FieldFolderOption = Annotated[
    Path | None,
    typer.Option("--field", metavar="FOLDER", help="Keep unsure pictures here, for `automl field`; default: none."),
]
MaxDet = Annotated[int | None, typer.Option(min=1, max=3000, help="The most boxes of an image.")]


@readable
def predict(
    model: ModelVersion,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Image, video, or a folder with some, at any depth.")],
    *,
    out: Annotated[
        Path | None, typer.Option(help=f"Folder for copies with boxes; default: {OUT}, with --json none.")
    ] = None,
    conf: Conf = None,
    iou: Iou = None,
    max_det: MaxDet = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="The most pixels of an image.")] = MAX_PIXELS,
    json: Json = False,
    force: Force = False,
    artifact: TargetName = "",
    storage: Storage = None,
) -> None:
    """Detect objects in images and videos: boxes drawn on copies of them, or one line of JSON for each image and frame.

    Preprocessing, thresholds and suppression are those of `automl serve`.
    """
    from automl.apps.predict import sources
    from automl.apps.predict.run import Prediction
    from automl.apps.serve.images import Limits

    target = out if out or json else OUT
    files = sources.found(path, out=target)
    if target is not None:
        sources.refuse_targets(files, target, force=force)
    served = opened(model, storage, target=artifact).current
    wanted = thresholds(served.thresholds, conf=conf, iou=iou, max_det=max_det)
    found = Prediction(served, wanted, target, Limits(max_pixels)).run(files)
    unread = _print_json(served, found) if json else _print_text(served, found, target)
    if unread:
        raise StudyError(*(f"{path}: {law}" for path, law in unread))


@readable
def watch(
    model: ModelVersion,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="A folder that fills, a video file, or the address of a stream, rtsp://…"
        ),
    ],
    *,
    post: Annotated[str | None, typer.Option(metavar="URL", help="Post each record as JSON.")] = None,
    mqtt: Annotated[str | None, typer.Option(metavar="mqtt://HOST/TOPIC", help="Publish each record.")] = None,
    modbus: Annotated[
        str | None, typer.Option(metavar="modbus://HOST/REGISTER", help="Write counts into holding registers.")
    ] = None,
    opcua: Annotated[
        str | None, typer.Option(metavar="opc.tcp://HOST#NODE", help="Write each record to nodes of a server.")
    ] = None,
    conf: Conf = None,
    iou: Iou = None,
    max_det: MaxDet = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="The most pixels of an image.")] = MAX_PIXELS,
    poll: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks at the alias.")] = POLL_SECONDS,
    artifact: TargetName = "",
    field: FieldFolderOption = None,
    storage: Storage = None,
) -> None:
    """Detect objects in each new picture of a source, until it ends or Ctrl-C: a line of JSON for each.

    Of a live stream the newest frame is taken. An address may be given as env:NAME, the name of an environment
    variable, so that its password is in no list of processes; it is printed nowhere. When the alias moves, its new
    version takes over.
    """
    _set_up_logs()
    from automl.apps.serve.field_folder import FieldFolder
    from automl.apps.serve.follower import following
    from automl.apps.serve.images import Limits
    from automl.apps.watch import run
    from automl.apps.watch.address import given

    place = run.Source(given(source, option="SOURCE"))
    with _stopped_by_sigterm(), place.frames(Limits(max_pixels)) as frames:
        serving = opened(model, storage, target=artifact)
        options = {"--post": post, "--mqtt": mqtt, "--modbus": modbus, "--opcua": opcua}
        receivers = run.receivers(options, serving.current)
        wanted = partial(thresholds, conf=conf, iou=iou, max_det=max_det)
        with following(serving, every=poll):
            found = run.records(serving, frames, place, wanted, field=FieldFolder(field) if field else None)
            run.deliver(found, receivers, live=place.live, show=lambda record: print(json_line(record), flush=True))


def _set_up_logs() -> None:
    """Log to standard error, without what libraries print: whole addresses, and what is told by us, once."""
    import os

    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")  # UDP loses parts of frames
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO, stream=sys.stderr)
    for library in ("asyncua", "pymodbus"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Let SIGTERM stop a block as Ctrl-C does: what was printed is delivered, then the process ends."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def opened(model: str, storage: Path | None, *, target: str) -> "Serving":
    """Return the version that a reference names, which follows the alias if it is one."""
    import cv2

    from automl.apps.registry import referred
    from automl.apps.serve.follower import opened as followed

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # damaged files are reported by us
    return followed(*referred(model, None, storage), target=target)


def thresholds(recorded: "Thresholds", *, conf: float | None, iou: float | None, max_det: int | None) -> "Thresholds":
    """Return the thresholds of a version with those that were given."""
    given: dict[str, Any] = {"conf": conf, "iou": iou, "max_det": max_det}
    return replace(recorded, **{key: value for key, value in given.items() if value is not None})


def json_line(record: Mapping[str, object]) -> str:
    """Return a record as one line of JSON."""
    text = json_text.dumps(record, ensure_ascii=False, allow_nan=False)
    return UNSEEN.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def _print_json(served: "Served", found: Iterable["Found"]) -> list[tuple[Path, str]]:
    """Print a line for each record; return the files that could not be read, and why."""
    unread = []
    for one in found:
        print(json_line({"model": served.name, "version": served.number, **one.to_dict()}), flush=True)
        if one.error:
            unread.append((one.source.path, one.error))
    return unread


def _print_text(served: "Served", found: Iterable["Found"], out: Path | None) -> list[tuple[Path, str]]:
    """Print a line for each file; return the files that could not be read, and why."""
    unread, files, boxes = [], 0, 0
    for source, group in groupby(found, key=lambda one: one.source):
        counts, frames, error = Counter[str](), 0, ""
        for one in group:
            counts.update(box["name"] for box in one.boxes)
            frames, error = frames + (not one.error), one.error or error
        unread += [(source.path, error)] if error else []
        if frames:
            length = f"{frames} frames, " if source.is_video else ""
            print_line(f"{source.name}: {length}{_listed(counts)}{f' -> {source.target(out)}' if out else ''}")
        files, boxes = files + bool(frames), boxes + counts.total()
    print_line(f"{served.name} version {served.number}: {files} files, {boxes} boxes")
    return unread


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "no boxes"
