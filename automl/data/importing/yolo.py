"""Reader of YOLO data sets: with a `data.yaml`, or with a list of class names beside images and label files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from automl.data import regular_files
from automl.data.images import listing
from automl.data.importing.records import Annotated, NamedBox, Notes, Reading, Source, split_of
from automl.data.labels import MOST_BYTES, LabelFile, label_of, lines_of, read_labels
from automl.data.places import keypoint_numbers, names_of, normalised, places_of, roots_of, yaml_mistakes
from automl.study.errors import DataError

SPLITS: Final = ("train", "val", "test")
NAME_LISTS: Final = ("classes.txt", "obj.names", "_darknet.labels")
"""Files with one class name a line."""


def read(path: Path, raw: Mapping[str, Any]) -> Reading:
    """Read a data set with a `data.yaml`; an image without a label file is background, as in training.

    Raises:
        DataError: the `data.yaml` cannot be used.
    """
    raw = normalised(raw)
    there = tuple(split for split in SPLITS if raw.get(split))
    if mistakes := [*yaml_mistakes(path, raw, there)]:
        raise DataError(*mistakes)
    names, notes = tuple(names_of(raw).values()), Notes()
    images = dict[Path, Annotated]()
    for split in there:
        found = listing(places_of(path, raw, split), roots=roots_of(path, raw))
        for image in dict.fromkeys(found.images):
            boxes = _boxes(read_labels(image), names, notes, label_of(image), keypoints=keypoint_numbers(raw))
            if boxes is not None:
                images.setdefault(image, Annotated(image, boxes, split))
    return Reading("YOLO", names, tuple(images.values()), notes)


def name_list(source: Source) -> Path | None:
    """Return the file with the class names of a source without a `data.yaml`; None where there is none."""
    found = [path for paths in source.files.values() for path in paths if path.name in NAME_LISTS]
    return min(found, key=lambda path: (len(path.parts), path.name)) if found else None


def read_without_yaml(source: Source, listed: Path) -> Reading:
    """Read images with label files beside them, or in `labels` beside `images`; one without a file waits for labels."""
    text = listed.read_text(encoding="utf-8-sig", errors="replace")
    names, notes = tuple(line.strip() for line in text.splitlines() if line.strip()), Notes()
    if not names or len({*names}) < len(names):
        raise DataError(f"{listed}: must have one class name a line, each once, but has {len(names)} lines")
    return Reading("YOLO", names, tuple(_unlisted(source, names, notes)), notes)


def _unlisted(source: Source, names: tuple[str, ...], notes: Notes) -> Iterator[Annotated]:
    for image in source.images:
        path = next((path for path in (label_of(image), image.with_suffix(".txt")) if path.is_file()), None)
        split = next((split for part in reversed(image.parts[:-1]) if (split := split_of(part))), "")
        if path is None:
            yield Annotated(image, split=split, labelled=False)
        elif (boxes := _boxes(_read_file(path), names, notes, path)) is not None:
            yield Annotated(image, boxes, split)


def _read_file(path: Path) -> LabelFile:
    if path.is_symlink():
        return LabelFile(mistake="is a symlink; replace it by a copy")
    try:
        return LabelFile(regular_files.read(path, most=MOST_BYTES))
    except OSError as error:
        return LabelFile(mistake=f"must be a readable file, but {error.strerror}")


def _boxes(
    file: LabelFile, names: tuple[str, ...], notes: Notes, path: Path, *, keypoints: int = 0
) -> tuple[NamedBox, ...] | None:
    """Return the boxes of a label file; None, with a note, where a line is invalid: the image is left out."""
    found = list[NamedBox]()
    for line in lines_of(file, len(names), keypoints=keypoints):
        if line.mistake:
            notes.add("images with an invalid label line are left out", f"{path}:{line.number}: {line.mistake}")
            return None
        cls, x, y, width, height = line.box
        if not line.repeated:
            edges = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            found.append(NamedBox(names[int(cls)], *edges))
    return tuple(found)
