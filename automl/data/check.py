"""Check and fingerprint a data set before a GPU is used. Called by the session of a study.

What Ultralytics would exclude is excluded here and reported, so that counts, staging and export use the same images.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from shlex import quote
from typing import Any, Final

from automl.data import annotations, copies, pairing
from automl.data.findings import Rules, Split, read_split
from automl.data.identity import Identity
from automl.data.images import IMAGES, Listing, listing
from automl.data.labels import label_of
from automl.data.picture_cache import look_at_all
from automl.data.pictures import Picture
from automl.data.places import (
    folders_of,
    keypoint_numbers,
    names_of,
    normalised,
    places_of,
    remedy_of,
    resolved,
    roots_of,
    yaml_mistakes,
)
from automl.data.record import DataSet, Evidence
from automl.study.errors import DataError
from automl.study.text import lines

FEW: Final = 0.01
"""Invalid label lines up to this share cause a warning, more an error."""
SHOWN: Final = 10
LONGEST: Final = 600
"""Maximum length of a shown line, in characters: a list may hold lines of any length."""


def check(source: Path, raw: Mapping[str, Any], *, splits: tuple[str, ...], cache: Path | None = None) -> DataSet:
    """Check every image and label of the given splits; `raw` is the content of the data set's `data.yaml`.

    `cache` is the folder in which findings on images are kept for the next check.

    Raises:
        DataError: a split is missing or empty, classes are unclear, or too many labels are wrong; all at once.
    """
    raw = normalised(raw)
    if mistakes := [*yaml_mistakes(source, raw, splits)]:
        raise DataError(*mistakes)
    names, keypoints = names_of(raw), keypoint_numbers(raw)
    lists = {split: _listed(source, raw, split) for split in splits}
    listed = [image for found in lists.values() for image in found.images]
    pictures = look_at_all(listed, cache=cache)
    rules = Rules(len(names), keypoints, folders_of(source, raw, listed))
    found = {split: read_split(one, pictures, rules) for split, one in lists.items()}
    images = {split: findings.images for split, findings in found.items()}
    mistakes = [line for split in splits for line in _mistakes(f"{source}: {split}", found[split], split=split)]
    mistakes += [f"{source}: {line}" for line in _shared_images(images, source)]
    if mistakes:
        raise DataError(*mistakes)
    warnings = [(f"{split}: {head}", *rest) for split in splits for head, *rest in _warnings(found[split], names)]
    duplicates = copies.kept(images, pictures, cache=cache)
    warnings += duplicates.messages()
    if keypoints:
        warnings.append(("kpt_shape: keypoints are ignored: only boxes are used for training",))
    identity = Identity(names, keypoints, {split: findings.entries for split, findings in found.items()})
    return DataSet(
        source=source,
        names=names,
        images=images,
        boxes={split: dict(findings.boxes) for split, findings in found.items()},
        warnings=tuple(lines(f"{source}: {head}", *rest) for head, *rest in warnings),
        fingerprint=identity.fingerprint,
        keypoints=keypoints,
        polygons=frozenset(split for split, findings in found.items() if findings.polygons == findings.good),
        identity=identity,
        listed={split: tuple(one.images) for split, one in lists.items()},
        texts={image: text for findings in found.values() for image, text in findings.texts.items()},
        places=tuple(place for split in splits for place in places_of(source, raw, split)),
        evidence=_evidence(found, pictures, duplicates),
    )


def _evidence(found: Mapping[str, Split], pictures: Mapping[Path, Picture], duplicates: copies.Copies) -> Evidence:
    """Collect what a report on the data needs; thumbnails are not kept for the life of a study."""
    return Evidence(
        pictures={path: replace(picture, thumbnail=b"") for path, picture in pictures.items()},
        copies=duplicates,
        unreadable={split: tuple(one.unreadable) for split, one in found.items()},
        invalid={split: tuple(one.bad) for split, one in found.items()},
        left_out={split: one.left_out for split, one in found.items()},
        repeated={split: one.repeated for split, one in found.items()},
    )


def _listed(source: Path, raw: Mapping[str, Any], split: str) -> Listing:
    try:
        return listing(places_of(source, raw, split), roots=roots_of(source, raw))
    except DataError as error:
        raise DataError(f"{source}: {split}: {error}{remedy_of(split)}") from None


def _mistakes(where: str, found: Split, *, split: str) -> Iterator[str]:
    """Yield the lines that tell why a split cannot be used for training or evaluation."""
    remedy = remedy_of(split)
    if found.too_many_invalid(FEW):
        *before, last = f"{where}: {_invalid_lines(found)}", *_indented(found.bad)
        yield from before
        yield f"{last}{remedy}"
    elif not found.listed.images:
        formats = ", ".join(sorted(IMAGES))
        yield f"{where}: must contain images ({formats}), but contains none{_unread(found)}{remedy}"
    elif not found.images:
        yield f"{where}: must contain usable images, but all {len(found.listed.images)} are excluded:"
        yield from _indented([f"{path}: {why}" for path, why in found.unreadable])
    elif not found.lines:
        folder = label_of(found.images[0]).parent
        hint = remedy or _conversion(found.images[0])
        yield f"{where}: must contain labelled boxes, but no label line was found in {folder}{hint}"


def _conversion(image: Path) -> str:
    places = (image.parent, image.parent.parent, label_of(image).parent, label_of(image).parent.parent)
    remedy = next((found for place in places if (found := annotations.foreign(place))), "")
    beside = image.with_suffix(".txt")
    if not remedy and beside.is_file():
        remedy = f"label files are in the folder of the images, such as {beside}: move them to that folder"
    return f"; {remedy}" if remedy else ""


def _warnings(found: Split, names: Mapping[int, str]) -> Iterator[tuple[str, ...]]:
    """Yield the lines of each message on a difference between training and what a reader of `data.yaml` may expect."""
    if found.unreadable:
        what = f"{len(found.unreadable)} of {len(found.listed.images)} images are unusable and excluded:"
        yield (what, *_indented([f"{path}: {why}" for path, why in found.unreadable]))
    if found.bad:
        excluded = f"  {found.left_out} images with such lines are excluded, as in Ultralytics"
        yield (_invalid_lines(found), *_indented(found.bad), excluded)
    yield from ((message,) for message in _remarks(found, names))


def _remarks(found: Split, names: Mapping[int, str]) -> Iterator[str]:
    if found.listed.unread:
        yield f"images in other formats are not read{_unread(found)}; save them as PNG or JPEG"
    if count := found.listed.repeats():
        yield f"{count} images are listed more than once and are used as often in each epoch"
    if found.listed.padded:
        yield (
            f"{found.listed.padded} lines of list files end in white space; their images are used here, but `yolo "
            "train` leaves them out"
        )
    if found.repeated:
        yield f"{found.repeated} label lines are duplicates within their file and are dropped, as in Ultralytics"
    if found.flat:
        yield f"{found.flat} boxes have zero width or height; Ultralytics keeps them"
    yield from found.meanings()
    yield from pairing.warnings(found.images)
    if absent := [name for number, name in names.items() if not found.boxes[number]]:
        yield f"no box of class {', '.join(absent)}: neither trained nor evaluated there"


def _unread(found: Split) -> str:
    counted = ", ".join(f"{count} {suffix}" for suffix, count in sorted(found.listed.unread.items()))
    return f": {counted}" if counted else ""


def _invalid_lines(found: Split) -> str:
    return f"{len(found.bad)} of {found.lines} label lines are invalid:"


def _indented(items: Sequence[str]) -> list[str]:
    cut = [f"  {item}" if len(item) <= LONGEST else f"  {item[:LONGEST]} ..." for item in items[:SHOWN]]
    return [*cut, *([f"  and {len(items) - SHOWN} more"] if len(items) > SHOWN else [])]


def _shared_images(images: Mapping[str, Sequence[Path]], source: Path) -> Iterator[str]:
    """Yield data leakage between splits: an image in two splits evaluates a model on its training data."""
    folders = {folder: resolved(folder) for paths in images.values() for folder in {path.parent for path in paths}}
    files = {
        split: {resolved(path) if path.is_symlink() else folders[path.parent] / path.name for path in paths}
        for split, paths in images.items()
    }
    for one, other in combinations(files, 2):
        if shared := files[one] & files[other]:
            again = f"; draw the splits again: automl import {quote(str(source))} OUT --split 70,15,15"
            found = f"but share {len(shared)}, such as {min(shared)}{remedy_of(other) or again}"
            yield f"{one} and {other} must share no image, {found}"
