"""Annotations in formats other than YOLO's (COCO, Pascal VOC, CVAT, LabelMe), recognised to say how to convert them."""

from itertools import chain, islice
from pathlib import Path
from shlex import quote
from typing import Final

MOST_LOOKED_AT: Final = 20
"""Maximum number of files whose first bytes are read."""
HEAD: Final = 4096

IMPORTED: Final = "{place} contains {kind} annotations; convert them: automl import {source} OUT, then pass OUT"
NDJSON: Final = (
    "{place} is an export of the Ultralytics Platform, whose images are addresses, and nothing is downloaded; convert "
    'it where there is a network: python -c "import asyncio; from ultralytics.data.converter import '
    "convert_ndjson_to_yolo as convert; print(asyncio.run(convert('{place}')))\", then pass the printed data.yaml"
)
LABELME: Final = (
    "{place} contains LabelMe annotations; convert them: pip install labelme2yolo && labelme2yolo --json_dir {folder}"
)


def foreign(place: Path) -> str:
    """Return which annotations a file or a folder (searched one level deep) contains and how to convert them.

    Empty where no known format is found.
    """
    try:
        files = [place] if place.is_file() else _candidates(place)
        for path in files:
            with path.open("rb") as file:
                if remedy := _remedy(file.read(HEAD)):
                    source = place if place.is_dir() else _with_images(path.parent)
                    return remedy.format(place=path, folder=path.parent, source=quote(str(source)))
    except OSError:
        return ""
    return ""


def _with_images(folder: Path) -> Path:
    """Return the folder of an annotation file, or the one above if only that has other folders, as of images."""
    return folder if any(path.is_dir() for path in folder.iterdir()) else folder.parent


def _candidates(folder: Path) -> list[Path]:
    found = chain.from_iterable(folder.glob(f"{depth}*.{suffix}") for depth in ("", "*/") for suffix in ("json", "xml"))
    return [path for path in islice(found, MOST_LOOKED_AT) if path.is_file()]


def _remedy(head: bytes) -> str:
    if head.startswith((b'{"type": "dataset"', b'{"type":"dataset"')):
        return NDJSON
    if b'"shapes"' in head and (b'"imagePath"' in head or b'"imageData"' in head or b'"flags"' in head):
        return LABELME
    kind = _kind(head)
    return IMPORTED.replace("{kind}", kind) if kind else ""


def _kind(head: bytes) -> str:
    """Return the name of a format that `automl import` reads, empty for any other content."""
    if b"<annotations>" in head:
        return "CVAT"
    if b"<annotation>" in head or b"<annotation " in head:
        return "Pascal VOC"
    keys = [b'"images"', b'"annotations"', b'"categories"', b'"licenses"', b'"info"']
    return "COCO" if head.lstrip().startswith(b"{") and any(key in head for key in keys) else ""
