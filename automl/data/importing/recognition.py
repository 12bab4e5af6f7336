"""Recognition of the format of a source: by its files, never by its name."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from automl.data.images import IMAGES, listing
from automl.data.importing import coco, cvat, json_file, label_studio, voc, yolo
from automl.data.importing.records import Annotated, Notes, Reading, Source
from automl.data.places import normalised
from automl.study.errors import DataError

HEAD: Final = 4096
READ: Final = frozenset({".json", ".xml", ".txt", ".yaml", ".yml", ".names", ".labels"})
"""Suffixes of annotation files."""


def source_in(folder: Path) -> Source:
    """List the images and annotation files of a folder, at any depth; hidden files are left out.

    Raises:
        DataError: it contains no image.
    """
    images = tuple(sorted(dict.fromkeys(listing([folder], roots=()).images)))
    if not images:
        raise DataError(
            f"{folder}: must contain images ({', '.join(sorted(IMAGES))}), but contains none; "
            "export the data set together with its images"
        )
    files: dict[str, list[Path]] = {}
    for path in folder.rglob("*"):
        if path.suffix.lower() in READ and not _is_hidden(path.relative_to(folder)) and path.is_file():
            files.setdefault(path.suffix.lower(), []).append(path)
    return Source(folder, {suffix: tuple(sorted(paths)) for suffix, paths in files.items()}, images)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def read(source: Source, *, yaml: Path | None, raw: Mapping[str, Any]) -> Reading:
    """Read a source in the format that its files have.

    `yaml` is the `data.yaml` of a YOLO data set with its content `raw`; None where there is none. Images without any
    annotation are read as images that wait for labels.

    Raises:
        DataError: two formats fit, or a file is damaged.
    """
    if yaml is not None and {"train", "val"} & normalised(raw).keys():
        return yolo.read(yaml, raw)
    readers = _readers(source)
    if len(readers) > 1:
        raise DataError(
            f"{source.folder}: must have annotations in one format, but has {', '.join(readers)}; remove the others"
        )
    for reader in readers.values():
        return reader()
    if listed_names := yolo.name_list(source):
        return yolo.read_without_yaml(source, listed_names)
    return Reading("images", (), tuple(Annotated(image, labelled=False) for image in source.images), Notes())


def _readers(source: Source) -> dict[str, Callable[[], Reading]]:
    """Return the formats for which the source has files: name to a function that reads them."""
    documents = {path: json_file.read(path) for path in source.files.get(".json", ()) if _may_be_annotations(path)}
    cocos = {path: content for path, content in documents.items() if coco.is_coco(content)}
    studio = {path: content for path, content in documents.items() if label_studio.is_label_studio(content)}
    roots = {path: _root(path) for path in source.files.get(".xml", ())}
    vocs, cvats = (tuple(path for path, root in roots.items() if root == kind) for kind in (voc.ROOT, cvat.ROOT))
    found: dict[str, Callable[[], Reading]] = {}
    if cocos:
        found[f"COCO ({next(iter(cocos))})"] = partial(coco.read, source, cocos)
    if studio:
        found[f"Label Studio ({next(iter(studio))})"] = partial(label_studio.read, source, studio)
    if vocs:
        found[f"Pascal VOC ({vocs[0]})"] = partial(voc.read, source, vocs)
    if cvats:
        found[f"CVAT ({cvats[0]})"] = partial(cvat.read, source, cvats)
    return found


def _may_be_annotations(path: Path) -> bool:
    """Return True for the JSON files that are read whole: those with a key of a known format near their start."""
    head = _head(path)
    keys = (b'"images"', b'"annotations"', b'"categories"', b'"info"', b'"licenses"', b'"data"', b'"image"')
    return any(key in head for key in keys)


def _root(path: Path) -> str:
    """Return the name of the root element of an XML file, as far as its start tells."""
    head = _head(path)
    if b"<annotations" in head:
        return cvat.ROOT
    return voc.ROOT if b"<annotation" in head else ""


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""
