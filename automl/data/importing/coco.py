"""Reader of COCO's JSON (object detection): `images`, `annotations` with `bbox` in pixels, `categories`."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from automl.data.importing.image_index import ImageIndex
from automl.data.importing.records import Annotated, NamedBox, Notes, Reading, Source, pixel_box, split_of
from automl.study.errors import DataError
from automl.study.messages import shown

KEYS: Final = frozenset({"images", "annotations", "categories"})


def is_coco(content: object) -> bool:
    """Return True if the content of a JSON file is COCO's."""
    return isinstance(content, dict) and content.keys() >= KEYS


def read(source: Source, contents: Mapping[Path, Any]) -> Reading:
    """Read the COCO files of a source; a file's name, or its folder's, may name a split.

    Crowd regions are left out, as in training; of a segmentation the `bbox` is used.

    Raises:
        DataError: a file has another structure.
    """
    notes, index = Notes(), ImageIndex(source.images)
    names: dict[str, None] = {}
    images = dict[Path, Annotated]()
    for path, content in contents.items():
        classes = _classes(path, content)
        names.update(dict.fromkeys(classes.values()))
        for one in _images(path, content, classes, (index, notes)):
            images[one.image] = _merged(images.get(one.image), one)
    return Reading("COCO", tuple(names), tuple(images.values()), notes)


def _merged(first: Annotated | None, other: Annotated) -> Annotated:
    """Return one image of two files, each with a part of its boxes."""
    return other if first is None else Annotated(first.image, first.boxes + other.boxes, first.split, first.size)


def _classes(path: Path, content: Mapping[str, Any]) -> dict[Any, str]:
    """Return number to name; a category that is only the parent of others, as Roboflow writes it, is left out."""
    try:
        rows = sorted(content["categories"], key=lambda row: row["id"])
        used = {row["category_id"] for row in content["annotations"]}
        parents = {row.get("supercategory") for row in rows}
        return {row["id"]: str(row["name"]) for row in rows if row["id"] in used or row["name"] not in parents}
    except (KeyError, TypeError, AttributeError) as error:
        raise _other(path, error) from None


def _images(
    path: Path, content: Mapping[str, Any], classes: Mapping[Any, str], place: tuple[ImageIndex, Notes]
) -> Iterator[Annotated]:
    index, notes = place
    split = split_of(path.stem) or split_of(path.parent.name)
    boxes = defaultdict[Any, list[Mapping[str, Any]]](list)
    try:
        for row in content["annotations"]:
            boxes[row["image_id"]].append(row)
        for row in content["images"]:
            image = index.find(str(row["file_name"]), near=path.parent)
            if image is None:
                notes.add("images of the annotations are not in the source, or there are several of the name",
                          row["file_name"])  # fmt: skip
                continue
            size = (int(row["width"]), int(row["height"]))
            yield Annotated(image, tuple(_boxes(boxes[row["id"]], size, classes, notes)), split, size)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _other(path, error) from None


def _boxes(
    rows: Sequence[Mapping[str, Any]], size: tuple[int, int], classes: Mapping[Any, str], notes: Notes
) -> Iterator[NamedBox]:
    for row in rows:
        if row.get("iscrowd"):
            notes.add("crowd regions are left out", f"annotation {row.get('id')}")
        elif row["category_id"] not in classes or min(size) <= 0:
            notes.add("annotations of an unknown category or image size are left out", f"annotation {row.get('id')}")
        else:
            left, top, width, height = map(float, row["bbox"])
            yield pixel_box(classes[row["category_id"]], (left, top, left + width, top + height), size)


def _other(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path}: must be COCO's object detection format, but {type(error).__name__}: {shown(str(error))}; "
        "export the annotations again"
    )
