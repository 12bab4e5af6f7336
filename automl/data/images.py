"""Where the images of a split are, and whether a `data.yaml` says so in a way that can be followed."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

IMAGES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def yaml_mistakes(source: Path, raw: Mapping[str, Any], splits: tuple[str, ...]) -> Iterator[str]:
    """Yield what is wrong with a data set's description, before any image is looked at."""
    if raw.get("download"):
        yield f"{source}: download: must not be set: nothing is downloaded or executed; fetch the data set yourself"
    yield from (f"{source}: names{mistake}" for mistake in _names_mistakes(raw.get("names")))
    for split in splits:
        value = raw.get(split)
        if not isinstance(value, str):
            hint = "; or set confirm.split to val" if split == "test" else ""
            yield f"{source}: {split}: must name a folder or a list of images, but got {value!r}{hint}"
        elif problem := _split_problem(folder_of(source, raw, split)):
            yield f"{source}: {split}: {problem}"


def _names_mistakes(names: object) -> Iterator[str]:
    if not isinstance(names, dict | list) or not names:
        yield f": must map class numbers to names, but got {names!r}"
        return
    pairs = list(enumerate(names)) if isinstance(names, list) else list(names.items())
    numbers = [int(number) if str(number).isdecimal() else -1 for number, _ in pairs]
    if sorted(numbers) != list(range(len(pairs))):
        yield f": must be numbered 0 to {len(pairs) - 1}, but got {[number for number, _ in pairs]}"
    for number, name in pairs:
        if isinstance(name, bool) or not isinstance(name, str | int | float):
            yield f".{number}: must be text (in quotes where YAML reads it otherwise), but got {name!r}"


def _split_problem(place: Path) -> str:
    """Return what is wrong with the place of a split, empty when images can be looked for in it."""
    try:
        if place.is_file():
            place.read_text(encoding="utf-8-sig")
        elif not place.is_dir():
            return f"must exist, but {place} does not"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        return f"must be a folder or a text file with one image a line, but {place}: {reason}"
    return ""


def names_of(names: Mapping[Any, Any] | list[Any]) -> dict[int, str]:
    """Return class number to name, from a list or a mapping."""
    pairs = enumerate(names) if isinstance(names, list) else names.items()
    return {int(number): str(name) for number, name in pairs}


def folder_of(source: Path, raw: Mapping[str, Any], split: str) -> Path:
    """Resolve a split against `path`, and `path` against the folder of `data.yaml` (not the working folder)."""
    return resolved(source.parent / str(raw.get("path") or "") / str(raw[split]))


def resolved(path: Path) -> Path:
    """Resolve a path; one that leads round in a circle, or that no file can have, stays as it is."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path


def images_of(place: Path) -> Iterator[Path]:
    """Yield the images in a folder, or those that a text file lists, relative to itself.

    A linked image stays where its link is, since its labels stand beside the link.
    """
    if place.is_dir():
        yield from sorted(_below(place))
    else:
        for line in place.read_text(encoding="utf-8-sig").splitlines():
            if line.strip():
                yield place.parent / line.strip()


def _below(folder: Path) -> Iterator[Path]:
    """Yield the images in a folder and its subfolders; a linked one is entered too, each but once."""
    seen: set[Path] = set()
    for root, folders, files in os.walk(folder, followlinks=True):
        if (real := resolved(Path(root))) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (path for name in files if (path := Path(root, name)).suffix.lower() in IMAGES)


def image_problem(image: Path) -> str:
    """Return why a path is no image, empty when it is one; its content is not decoded."""
    if image.suffix.lower() not in IMAGES:
        return f"must be an image ({', '.join(sorted(IMAGES))})"
    try:
        return "" if image.is_file() and image.stat().st_size else "is listed but not there, or empty"
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
