"""Reader of CVAT's XML 1.1, for images and for video: boxes, rotated boxes, polygons, tracks."""

import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as Tree

from automl.data.importing import xml_file
from automl.data.importing.image_index import ImageIndex
from automl.data.importing.records import (
    Annotated,
    NamedBox,
    Notes,
    Reading,
    Source,
    around,
    by_first_use,
    pixel_box,
    split_of,
)
from automl.data.importing.xml_file import number

ROOT: Final = "annotations"
AREAS: Final = ("box", "polygon", "ellipse")
UNUSED: Final = ("polyline", "points", "cuboid", "mask", "skeleton")


def read(source: Source, paths: tuple[Path, ...]) -> Reading:
    """Read the annotation files of a source; of polygons and rotated boxes the bounding boxes are used.

    Raises:
        DataError: an XML file cannot be read.
    """
    notes, index = Notes(), ImageIndex(source.images)
    known: dict[str, None] = {}
    found = dict[Path, Annotated]()
    for path in paths:
        root = xml_file.read(path)
        known.update({name.text.strip(): None for name in root.iter("name") if name.text and _is_label(root, name)})
        for one in (*_of_images(root, path, index, notes), *_of_video(root, path, index, notes)):
            found[one.image] = one
    waiting = (Annotated(image, labelled=False) for image in source.images if image not in found)
    images = (*found.values(), *waiting)
    return Reading("CVAT", by_first_use(images, known), images, notes)


def _is_label(root: Tree.Element, name: Tree.Element) -> bool:
    return any(name in list(label) for label in root.iter("label"))


def _of_images(root: Tree.Element, path: Path, index: ImageIndex, notes: Notes) -> Iterator[Annotated]:
    for row in root.findall("image"):
        name = row.get("name") or ""
        image = index.find(name, near=path.parent)
        if image is None:
            notes.add("images of the annotations are not in the source, or there are several of the name", name)
            continue
        try:
            size = int(number(row, "width")), int(number(row, "height"))
            boxes = tuple(_box(shape, size) for shape in row if shape.tag in AREAS)
        except ValueError as error:
            notes.add(f"annotations that cannot be read ({error})", name)
            continue
        for shape in row:
            if shape.tag in UNUSED:
                notes.add("shapes without an area are left out (polyline, points, cuboid, mask, skeleton)", name)
        yield Annotated(image, boxes, split_of(row.get("subset") or "") or split_of(path.parent.name), size)


def _of_video(root: Tree.Element, path: Path, index: ImageIndex, notes: Notes) -> Iterator[Annotated]:
    """Yield the frames of a video that have boxes, named `frame_000000` as in CVAT's export with images."""
    frames = defaultdict[int, list[tuple[str, Tree.Element]]](list)
    for track in root.findall("track"):
        for shape in track:
            if shape.tag in AREAS and shape.get("outside") != "1":
                frames[int(number(shape, "frame"))].append((track.get("label") or "unnamed", shape))
    if not frames:
        return
    width, height = (root.find(f".//original_size/{side}") for side in ("width", "height"))
    size = int(number(width)), int(number(height))
    for frame, shapes in sorted(frames.items()):
        image = index.find(f"frame_{frame:06d}", near=path.parent)
        if image is None:
            notes.add("frames of the video are not in the source as images", f"frame_{frame:06d}")
            continue
        yield Annotated(image, tuple(_box(shape, size, name=name) for name, shape in shapes), "", size)


def _box(shape: Tree.Element, size: tuple[int, int], *, name: str = "") -> NamedBox:
    """Return the bounding box of a shape.

    Raises:
        ValueError: a number is missing.
    """
    named = name or shape.get("label") or "unnamed"
    if shape.tag == "polygon":
        pairs = [pair.split(",") for pair in (shape.get("points") or "").split(";")]
        return pixel_box(named, around([(float(x), float(y)) for x, y in pairs]), size)
    if shape.tag == "ellipse":
        x, y, across, down = (number(shape, key) for key in ("cx", "cy", "rx", "ry"))
        edges = (x - across, y - down, x + across, y + down)
    else:
        left, top, right, bottom = (number(shape, key) for key in ("xtl", "ytl", "xbr", "ybr"))
        edges = (left, top, right, bottom)
    return pixel_box(named, rotated(edges, float(shape.get("rotation") or 0)), size)


def rotated(edges: tuple[float, float, float, float], degrees: float) -> tuple[float, float, float, float]:
    """Return the bounding box of a box rotated about its centre.

    >>> [round(edge, 6) for edge in rotated((0, 0, 4, 2), 90)]
    [1.0, -1.0, 3.0, 3.0]
    """
    left, top, right, bottom = edges
    angle = math.radians(degrees)
    across, down = (right - left) / 2, (bottom - top) / 2
    wide = abs(across * math.cos(angle)) + abs(down * math.sin(angle))
    high = abs(across * math.sin(angle)) + abs(down * math.cos(angle))
    x, y = (left + right) / 2, (top + bottom) / 2
    return (x - wide, y - high, x + wide, y + high) if degrees else edges
