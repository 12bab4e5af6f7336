"""Checks, fingerprints and stages a data set before a GPU is spent on it.

Staging makes a tree of links in the study's folder, so that Ultralytics' label caches are written there and never
beside the user's own files, which may be read-only or shared with others.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from automl import durable
from automl.errors import DataError

IMAGES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
FEW: Final = 0.01
"""Bad label lines up to this share are warned about and counted; more stop the study."""
SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class DataSet:
    """A checked data set: where its splits are and what stands in them."""

    source: Path
    names: Mapping[int, str]
    images: Mapping[str, tuple[Path, ...]]
    boxes: Mapping[str, Mapping[int, int]]
    """Split to class number to boxes."""
    warnings: tuple[str, ...]
    fingerprint: str
    """SHA-256 over names, sizes and labels of all images, so that two studies can tell whether they share data."""


@dataclass(slots=True)
class _Findings:
    lines: int = 0
    bad: list[str] = field(default_factory=list)
    boxes: Counter[int] = field(default_factory=Counter)


def check(source: Path, raw: Mapping[str, Any], *, splits: tuple[str, ...]) -> DataSet:
    """Look at every label of the given splits; `raw` is the content of the data set's `data.yaml`.

    Raises:
        DataError: a split is missing or empty, classes are unclear, or too many labels are wrong; all at once.
    """
    mistakes = [*_raw_mistakes(source, raw, splits)]
    if mistakes:
        raise DataError("\n".join(mistakes))
    names = _names(raw["names"])
    images: dict[str, tuple[Path, ...]] = {}
    found: dict[str, _Findings] = {}
    for split in splits:
        images[split] = tuple(_images(_folder(source, raw, split)))
        if not images[split]:
            folder = _folder(source, raw, split)
            mistakes.append(f"{source}: {split}: must hold images ({', '.join(sorted(IMAGES))}), but {folder} has none")
        found[split] = _read_labels(images[split], names)
        if images[split] and not found[split].lines:
            where = label_of(images[split][0]).parent
            mistakes.append(f"{source}: {split}: must have labelled boxes, but no label line was found in {where}")
    warnings: list[str] = []
    for split, findings in found.items():
        if findings.bad:
            told = mistakes if len(findings.bad) > FEW * findings.lines else warnings
            told.append(_summary(source, split, findings))
    mistakes += _shared_images(source, images)
    if mistakes:
        raise DataError("\n".join(mistakes))
    boxes = {split: dict(findings.boxes) for split, findings in found.items()}
    return DataSet(source, names, images, boxes, tuple(warnings), _fingerprint(images))


def stage(data: DataSet, folder: Path) -> Path:
    """Make a tree of links to the images and copies of the labels below `folder`; return its `data.yaml`.

    Two images of one name in one split are told apart by a number. Bad label lines stay out.
    """
    marker = folder / "data.yaml"
    if marker.exists() and f"# {data.fingerprint}\n" in marker.read_text():
        return marker
    for split, images in data.images.items():
        pictures, labels = folder / "images" / split, folder / "labels" / split
        pictures.mkdir(parents=True, exist_ok=True)
        labels.mkdir(parents=True, exist_ok=True)
        for image in images:
            link = _free(pictures / image.name, image)
            if not link.is_symlink():
                link.symlink_to(image)
            good = [line for line, mistake in _label_lines(image, data.names) if not mistake]
            (labels / f"{link.stem}.txt").write_text("".join(f"{line}\n" for line in good))
    names = "".join(f"  {number}: {name!r}\n" for number, name in data.names.items())
    paths = "".join(f"{split}: images/{split}\n" for split in data.images)
    durable.write_text(
        marker, f"# {data.fingerprint}\n# Links to {data.source}\npath: {folder}\n{paths}names:\n{names}"
    )
    return marker


def label_of(image: Path) -> Path:
    """Return where the labels of an image stand: the last folder `images` of its path becomes `labels`.

    >>> label_of(Path("/d/images/train/a.jpg")).as_posix()
    '/d/labels/train/a.txt'
    """
    parts = list(image.parts)
    if "images" in parts[:-1]:
        last = len(parts) - 2 - parts[-2::-1].index("images")
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt")


def _raw_mistakes(source: Path, raw: Mapping[str, Any], splits: tuple[str, ...]) -> Iterator[str]:
    if raw.get("download"):
        yield f"{source}: download: must not be set: nothing is downloaded or executed; fetch the data set yourself"
    names = raw.get("names")
    if not isinstance(names, dict | list) or not names:
        yield f"{source}: names: must map class numbers to names, but got {names!r}"
    elif sorted(_names(names)) != list(range(len(names))):
        yield f"{source}: names: must be numbered 0 to {len(names) - 1}, but got {sorted(_names(names))}"
    for split in splits:
        value = raw.get(split)
        if not isinstance(value, str):
            hint = "; or set confirm.split to val" if split == "test" else ""
            yield f"{source}: {split}: must name a folder or a list of images, but got {value!r}{hint}"
        elif not _folder(source, raw, split).exists():
            yield f"{source}: {split}: must exist, but {_folder(source, raw, split)} does not"


def _names(names: Mapping[Any, Any] | list[Any]) -> dict[int, str]:
    pairs = enumerate(names) if isinstance(names, list) else names.items()
    return {int(number): str(name) for number, name in pairs}


def _folder(source: Path, raw: Mapping[str, Any], split: str) -> Path:
    """Resolve a split against `path`, and `path` against the folder of `data.yaml` (not the working folder)."""
    return (source.parent / str(raw.get("path") or "") / str(raw[split])).resolve()


def _images(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from sorted(path for path in place.rglob("*") if path.suffix.lower() in IMAGES)
    else:
        for line in place.read_text().splitlines():
            if line.strip():
                yield (place.parent / line.strip()).resolve()


def _read_labels(images: tuple[Path, ...], names: Mapping[int, str]) -> _Findings:
    findings = _Findings()
    for image in images:
        if not image.is_file():
            findings.bad.append(f"{image}: is listed but not there")
        for number, (line, mistake) in enumerate(_label_lines(image, names), start=1):
            findings.lines += 1
            if mistake:
                findings.bad.append(f"{label_of(image)}:{number}: {mistake}")
            else:
                findings.boxes[int(float(line.split()[0]))] += 1
    return findings


def _label_lines(image: Path, names: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    """Yield each label line of an image and what is wrong with it, empty when nothing is."""
    path = label_of(image)
    if not path.is_file():
        return
    for line in path.read_text(errors="replace").splitlines():
        if line.strip():
            yield line.strip(), _line_mistake(line.split(), len(names))


def _line_mistake(words: list[str], classes: int) -> str:
    numbers = [_number(word) for word in words]
    if not all(map(math.isfinite, numbers)):
        return f"must be finite numbers, but got {' '.join(words)!r}"
    if len(numbers) != 5 and (len(numbers) < 7 or len(numbers) % 2 == 0):
        return f"must be `class x y width height` or a polygon, but has {len(numbers)} numbers"
    if not (numbers[0].is_integer() and 0 <= numbers[0] < classes):
        return f"class must be 0 to {classes - 1}, but got {words[0]}"
    if not all(-1e-3 <= number <= 1.001 for number in numbers[1:]):
        return f"box must lie inside the image (0 to 1), but got {' '.join(words[1:])}"
    if len(numbers) == 5 and min(numbers[3:]) <= 0:
        return f"width and height must be above 0, but got {' '.join(words[3:])}"
    return ""


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _summary(source: Path, split: str, findings: _Findings) -> str:
    shown = "\n".join(f"  {line}" for line in findings.bad[:SHOWN])
    more = f"\n  and {len(findings.bad) - SHOWN} more" if len(findings.bad) > SHOWN else ""
    return f"{source}: {split}: {len(findings.bad)} of {findings.lines} label lines are wrong:\n{shown}{more}"


def _shared_images(source: Path, images: Mapping[str, tuple[Path, ...]]) -> list[str]:
    """An image in two splits would judge a model on what it was trained on."""
    splits = list(images)
    return [
        f"{source}: {one} and {other} must share no image, but share {len(shared)}, such as {sorted(shared)[0]}"
        for position, one in enumerate(splits)
        for other in splits[position + 1 :]
        if (shared := {*images[one]} & {*images[other]})
    ]


def _fingerprint(images: Mapping[str, tuple[Path, ...]]) -> str:
    digest = hashlib.sha256()
    for split, paths in images.items():
        for path in paths:
            label = label_of(path)
            size = path.stat().st_size if path.is_file() else -1
            digest.update(f"{split}/{path.name}:{size}\n".encode())
            digest.update(label.read_bytes() if label.is_file() else b"")
    return digest.hexdigest()


def _free(link: Path, image: Path) -> Path:
    """Return a link name that is free or already points to this image."""
    candidate, number = link, 1
    while candidate.is_symlink() and candidate.readlink() != image:
        number += 1
        candidate = link.with_name(f"{link.stem}_{number}{link.suffix}")
    return candidate
