"""Check and fingerprint a data set before a GPU is used. Called by the session of a study.

What Ultralytics would exclude is excluded here and reported, so that counts, staging and export use the same images.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from automl.data import annotations, copies, pairing
from automl.data.findings import Split, read_split
from automl.data.images import IMAGES, image_problem, listing
from automl.data.labels import label_of
from automl.data.pictures import look_at_all
from automl.data.places import (
    keypoint_numbers,
    names_of,
    normalised,
    places_of,
    remedy_of,
    resolved,
    roots_of,
    yaml_mistakes,
)
from automl.data.record import DataSet
from automl.study.errors import DataError

FEW: Final = 0.01
"""Invalid label lines up to this share cause a warning, more an error."""
SHOWN: Final = 10


def check(source: Path, raw: Mapping[str, Any], *, splits: tuple[str, ...]) -> DataSet:
    """Check every image and label of the given splits; `raw` is the content of the data set's `data.yaml`.

    Raises:
        DataError: a split is missing or empty, classes are unclear, or too many labels are wrong; all at once.
    """
    raw = normalised(raw)
    if mistakes := [*yaml_mistakes(source, raw, splits)]:
        raise DataError("\n".join(mistakes))
    names, keypoints = names_of(raw), keypoint_numbers(raw)
    roots = roots_of(source, raw)
    lists = {split: listing(places_of(source, raw, split), roots=roots) for split in splits}
    pictures = look_at_all(image for found in lists.values() for image in found.images)
    found = {
        split: read_split(listed, pictures, classes=len(names), keypoints=keypoints) for split, listed in lists.items()
    }
    images = {split: findings.images for split, findings in found.items()}
    mistakes = [f"{source}: {line}" for split in splits for line in _mistakes(split, found[split])]
    mistakes += [f"{source}: {line}" for line in _shared_images(images)]
    if mistakes:
        raise DataError("\n".join(mistakes))
    warnings = [f"{split}: {line}" for split in splits for line in _warnings(found[split], names)]
    warnings += copies.warnings(images, pictures)
    if keypoints:
        warnings.append("kpt_shape: keypoints are ignored: only boxes are used for training")
    return DataSet(
        source=source,
        names=names,
        images=images,
        boxes={split: dict(findings.boxes) for split, findings in found.items()},
        warnings=tuple(f"{source}: {line}" for line in warnings),
        fingerprint=_fingerprint({split: listed.images for split, listed in lists.items()}, keypoints=keypoints),
        keypoints=keypoints,
        polygons=frozenset(split for split, findings in found.items() if findings.polygons == findings.good),
    )


def _mistakes(split: str, found: Split) -> Iterator[str]:
    """Yield why a split cannot be used for training or evaluation."""
    if found.too_many_invalid(FEW):
        yield f"{split}: {_invalid_lines(found)}{remedy_of(split)}"
    elif not found.listed.images:
        formats = ", ".join(sorted(IMAGES))
        yield f"{split}: must contain images ({formats}), but contains none{_unread(found)}{remedy_of(split)}"
    elif not found.images:
        reasons = "" if not found.unreadable else _shown([f"{path}: {why}" for path, why in found.unreadable])
        yield f"{split}: must contain usable images, but all {len(found.listed.images)} are excluded:{reasons}"
    elif not found.lines:
        where = label_of(found.images[0]).parent
        hint = remedy_of(split) or _conversion(found.images[0])
        yield f"{split}: must contain labelled boxes, but no label line was found in {where}{hint}"


def _conversion(image: Path) -> str:
    places = (image.parent, image.parent.parent, label_of(image).parent, label_of(image).parent.parent)
    remedy = next((found for place in places if (found := annotations.foreign(place))), "")
    beside = image.with_suffix(".txt")
    if not remedy and beside.is_file():
        remedy = f"label files are in the folder of the images, such as {beside}: move them to that folder"
    return f"; {remedy}" if remedy else ""


def _warnings(found: Split, names: Mapping[int, str]) -> Iterator[str]:
    """Yield where training differs from what a reader of the `data.yaml` may expect."""
    if found.unreadable:
        reasons = _shown([f"{path}: {why}" for path, why in found.unreadable])
        yield f"{len(found.unreadable)} of {len(found.listed.images)} images are unusable and excluded:{reasons}"
    if found.bad:
        yield f"{_invalid_lines(found)}\n  {found.left_out} images with such lines are excluded, as in Ultralytics"
    if found.listed.unread:
        yield f"images in other formats are not read{_unread(found)}; save them as PNG or JPEG"
    if count := found.listed.repeats():
        yield f"{count} images are listed more than once and are used as often in each epoch"
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
    return f"{len(found.bad)} of {found.lines} label lines are invalid:{_shown(found.bad)}"


def _shown(lines: Sequence[str]) -> str:
    shown = "".join(f"\n  {line}" for line in lines[:SHOWN])
    return shown + (f"\n  and {len(lines) - SHOWN} more" if len(lines) > SHOWN else "")


def _shared_images(images: Mapping[str, Sequence[Path]]) -> Iterator[str]:
    """Yield data leakage between splits: an image in two splits evaluates a model on its training data."""
    files = {split: {resolved(path) for path in paths} for split, paths in images.items()}
    for one, other in combinations(files, 2):
        if shared := files[one] & files[other]:
            found = f"but share {len(shared)}, such as {min(shared)}{remedy_of(other)}"
            yield f"{one} and {other} must share no image, {found}"


def _fingerprint(images: Mapping[str, Sequence[Path]], *, keypoints: int) -> str:
    digest = hashlib.sha256(f"keypoints {keypoints}\n".encode() if keypoints else b"")
    for split, paths in images.items():
        for path in paths:
            there = not image_problem(path)
            digest.update(f"{split}/{path.name}:{path.stat().st_size if there else -1}\n".encode(errors="replace"))
            label = label_of(path)
            digest.update(label.read_bytes() if there and label.is_file() else b"")
    return digest.hexdigest()
