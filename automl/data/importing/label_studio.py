"""Reader of Label Studio's JSON and JSON-MIN exports: rectangles and polygons in percent of the image."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from automl.data.importing.image_index import ImageIndex, name_in_address
from automl.data.importing.records import Annotated, NamedBox, Notes, Reading, Source, around, by_first_use
from automl.study.errors import DataError
from automl.study.messages import shown

PREFIX: Final = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""
LABELS: Final = ("rectanglelabels", "polygonlabels", "ellipselabels")


def is_label_studio(content: object) -> bool:
    """Return True if the content of a JSON file is an export of Label Studio."""
    if not (isinstance(content, list) and content and isinstance(content[0], dict)):
        return False
    first = content[0]
    return (isinstance(first.get("data"), dict) and "annotations" in first) or (_address(first) != "" and "id" in first)


def read(source: Source, contents: Mapping[Path, Any]) -> Reading:
    """Read the exports of a source; a task without an annotation waits for labels.

    Of several annotations of a task the last one that was not cancelled is used.

    Raises:
        DataError: a file has another structure.
    """
    notes, index = Notes(), ImageIndex(source.images)
    found = dict[Path, Annotated]()
    for path, content in contents.items():
        try:
            for task in content:
                if one := _task(task, path, index, notes):
                    found[one.image] = one
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{path}: must be Label Studio's JSON, but {type(error).__name__}: {shown(str(error))}; "
                "export the annotations again"
            ) from None
    waiting = (Annotated(image, labelled=False) for image in source.images if image not in found)
    images = (*found.values(), *waiting)
    return Reading("Label Studio", by_first_use(images), images, notes)


def _task(task: Mapping[str, Any], path: Path, index: ImageIndex, notes: Notes) -> Annotated | None:
    address = _address(task.get("data") or task)
    name = name_in_address(address)
    short = PREFIX.sub("", Path(name).name)
    image = index.find(name, near=path.parent) or index.find(short, near=path.parent)
    if image is None:
        notes.add("images of the tasks are not in the source, or there are several of the name", address)
        return None
    results = _results(task, notes)
    if results is None:
        return Annotated(image, labelled=False)
    return Annotated(image, tuple(_boxes(results, notes)))


def _address(values: Mapping[str, Any]) -> str:
    """Return the first value that looks like the address of an image."""
    texts = (value for key, value in values.items() if key in {"image", "img", "picture"} or str(key).startswith("im"))
    return next((value for value in texts if isinstance(value, str)), "")


def _results(task: Mapping[str, Any], notes: Notes) -> Sequence[Mapping[str, Any]] | None:
    """Return the shapes of a task; None if it has no annotation."""
    if "annotations" not in task:  # JSON-MIN
        shapes = next((value for value in task.values() if isinstance(value, list)), None)
        return None if shapes is None else [{"value": shape} for shape in shapes]
    done = [one for one in task["annotations"] if not one.get("was_cancelled")]
    if len(done) > 1:
        notes.add("tasks have several annotations, of which the last is used", f"task {task.get('id')}")
    return done[-1]["result"] if done else None


def _boxes(results: Sequence[Mapping[str, Any]], notes: Notes) -> Iterator[NamedBox]:
    for result in results:
        value = result["value"]
        names = next((value[kind] for kind in LABELS if value.get(kind)), None)
        if not names:
            notes.add(
                "results without an area are left out (choices, keypoints, brushes)", result.get("type", "result")
            )
            continue
        left, top, right, bottom = (edge / 100 for edge in _edges(value, result))
        yield NamedBox(str(names[0]), left, top, right, bottom)


def _edges(value: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom in percent of the image."""
    if "points" in value:
        return around([(float(x), float(y)) for x, y in value["points"]])
    x, y = float(value["x"]), float(value["y"])
    if "radiusX" in value:
        across, down = float(value["radiusX"]), float(value["radiusY"])
        return x - across, y - down, x + across, y + down
    wide, high, degrees = float(value["width"]), float(value["height"]), float(value.get("rotation") or 0)
    if not degrees:
        return x, y, x + wide, y + high
    given = {**result, **value}
    width, height = float(given.get("original_width", 100)), float(given.get("original_height", 100))
    return around(_corners((x, y, wide, high), degrees, (width, height)))


def _corners(
    box: tuple[float, float, float, float], degrees: float, size: tuple[float, float]
) -> list[tuple[float, float]]:
    """Return the corners of a box rotated about its upper left corner, which is where Label Studio rotates it.

    The rotation is one of pixels, while box and corners are in percent of width and height.
    """
    x, y, wide, high = box
    angle, (width, height) = math.radians(degrees), size
    found = []
    for across, down in ((0.0, 0.0), (wide, 0.0), (wide, high), (0.0, high)):
        right, below = across * width, down * height
        turned = (right * math.cos(angle) - below * math.sin(angle), right * math.sin(angle) + below * math.cos(angle))
        found.append((x + turned[0] / width, y + turned[1] / height))
    return found
