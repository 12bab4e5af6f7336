"""Reader of Pascal VOC: one XML file an image, edges in pixels counted from 1, splits in `ImageSets/Main`."""

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
    by_first_use,
    pixel_box,
    split_of,
)
from automl.data.importing.xml_file import number

ROOT: Final = "annotation"
SETS: Final = "ImageSets"


def read(source: Source, paths: tuple[Path, ...]) -> Reading:
    """Read the annotations of a source; an image without an XML file waits for labels.

    Edges are those of the VOC development kit: the first pixel is 1, and the last one belongs to the box.

    Raises:
        DataError: an XML file cannot be read.
    """
    notes, index = Notes(), ImageIndex(source.images)
    splits = dict(_splits(source))
    found = dict[Path, Annotated]()
    for path in paths:
        root = xml_file.read(path)
        name = (root.findtext("filename") or "").strip() or path.stem
        image = index.find(name, near=path.parent) or index.find(path.stem, near=path.parent)
        if image is None:
            notes.add("annotations whose image is not in the source", path)
            continue
        split = splits.get(path.stem) or split_of(path.parent.name) or split_of(image.parent.name)
        try:
            size = int(number(root.find("size/width"))), int(number(root.find("size/height")))
            found[image] = Annotated(image, tuple(_boxes(root, size)), split, size)
        except ValueError as error:
            notes.add(f"annotations that cannot be read ({error})", path)
    waiting = (Annotated(image, labelled=False) for image in source.images if image not in found)
    images = (*found.values(), *waiting)
    return Reading("Pascal VOC", by_first_use(images), images, notes)


def _boxes(root: Tree.Element, size: tuple[int, int]) -> Iterator[NamedBox]:
    if min(size) <= 0:
        raise ValueError("the image's size is 0")
    for thing in root.iter("object"):
        box = thing.find("bndbox")
        if box is None:
            raise ValueError("an object without bndbox")
        left, top, right, bottom = (number(box.find(edge)) for edge in ("xmin", "ymin", "xmax", "ymax"))
        yield pixel_box((thing.findtext("name") or "").strip() or "unnamed", (left - 1, top - 1, right, bottom), size)


def _splits(source: Source) -> Iterator[tuple[str, str]]:
    """Yield stem and split of the images that the lists of `ImageSets/Main` name."""
    for path in source.files.get(".txt", ()):
        if SETS in path.parts and (split := split_of(path.stem)) and "_" not in path.stem:
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if words := line.split():
                    yield words[0], split
