"""Parser of `data.yaml`: classes and paths of the splits, as `check_det_dataset` of Ultralytics accepts them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

KEPT_IN_VAL: Final = "; or set confirm.split to val"
"""Remedy for a missing test split."""


def normalised(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a `data.yaml` with normalized keys: `validation` becomes `val`."""
    found = dict(raw)
    if found.get("val") is None and "validation" in found:
        found["val"] = found.pop("validation")
    return found


def yaml_mistakes(source: Path, raw: Mapping[str, Any], splits: tuple[str, ...]) -> Iterator[str]:
    """Yield the errors of a data set's description, before any image is read."""
    yield from (f"{source}: {mistake}" for mistake in (*_class_mistakes(raw), *_kind_mistakes(raw)))
    for split in splits:
        values, hint = raw.get(split), remedy_of(split)
        listed = [values] if isinstance(values, str) else values
        if not isinstance(listed, list) or not listed or not all(isinstance(one, str) and one for one in listed):
            yield (
                f"{source}: {split}: must name a folder or a text file that lists images, or a list of these, "
                f"but got {values!r}{hint}"
            )
            continue
        for value, place in zip(listed, places_of(source, raw, split), strict=True):
            if problem := _place_problem(place):
                yield f"{source}: {split}: {problem}{_missing_path_hint(source, raw, value)}{hint}"


def remedy_of(split: str) -> str:
    """Return the remedy for an unusable split, empty where the split is required."""
    return KEPT_IN_VAL if split == "test" else ""


def _class_mistakes(raw: Mapping[str, Any]) -> Iterator[str]:
    names, count = raw.get("names"), raw.get("nc")
    if "nc" in raw and _whole(count) is None:
        yield f"nc: must be the number of classes, but got {count!r}"
    if names is None and _whole(count):
        return
    yield from (f"names{mistake}" for mistake in _names_mistakes(names))
    if isinstance(names, dict | list) and _whole(count) not in {None, len(names)}:
        yield f"nc: must be the number of names ({len(names)}), but got {count}; remove nc, or fix names"


def _whole(value: object) -> int | None:
    """Return a positive whole number that is written as a number or as text, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return int(number) if number.is_integer() and number > 0 else None


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
            yield f".{number}: must be text (in quotes where YAML reads another type), but got {name!r}"


def _kind_mistakes(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield the errors of the keys that define images and label lines."""
    if raw.get("channels", 3) != 3:
        yield (
            f"channels: must be 3, since models are trained, exported and served with three channels, but got "
            f"{raw['channels']!r}; remove the line to train on three channels: a grey image is repeated, of more "
            "channels the first three are used, of several pages the first"
        )
    if raw.get("kpt_shape") is not None and keypoint_numbers(raw) == 0:
        yield f"kpt_shape: must be [number of keypoints, 2 or 3], but got {raw['kpt_shape']!r}"
    if "path" in raw and not isinstance(raw["path"], str | None):
        yield f"path: must be text, but got {raw['path']!r}"


def keypoint_numbers(raw: Mapping[str, Any]) -> int:
    """Return the number of keypoint values in a label line.

    >>> keypoint_numbers({"kpt_shape": [4, 2]}), keypoint_numbers({})
    (8, 0)
    """
    shape = raw.get("kpt_shape")
    if not isinstance(shape, list) or [type(number) for number in shape] != [int, int]:
        return 0
    count, numbers = shape
    return int(count * numbers) if count > 0 and numbers in {2, 3} else 0


def names_of(raw: Mapping[str, Any]) -> dict[int, str]:
    """Return the mapping of class number to name, from a list, a mapping, or the number of classes alone.

    >>> names_of({"nc": 2}), names_of({"names": ["hole"]})
    ({0: 'class_0', 1: 'class_1'}, {0: 'hole'})
    """
    names = raw.get("names")
    if names is None:
        return {number: f"class_{number}" for number in range(_whole(raw["nc"]) or 0)}
    pairs = enumerate(names) if isinstance(names, list) else names.items()
    return {int(number): str(name) for number, name in pairs}


def places_of(source: Path, raw: Mapping[str, Any], split: str) -> tuple[Path, ...]:
    """Return the folders and list files of a split, resolved; those that repeat are returned as often."""
    values = [raw[split]] if isinstance(raw[split], str) else raw[split]
    return tuple(_place(roots_of(source, raw), value) for value in values)


def roots_of(source: Path, raw: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the folders to which split paths are relative, the first match first.

    `path` is read from the folder of the `data.yaml`, else from the working folder, as Ultralytics does.
    """
    path = str(raw.get("path") or "")
    beside = source.parent / path
    return (beside,) if not path or Path(path).is_absolute() else (beside, Path.cwd() / path)


def _place(roots: Sequence[Path], value: str) -> Path:
    """Resolve the path of a split; a leading `../` is dropped where only that path exists (Roboflow)."""
    texts = (value, value.removeprefix("../")) if value.startswith("../") else (value,)
    tried = [resolved(root / text) for root in roots for text in texts]
    return next((place for place in tried if _exists(place)), tried[0])


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except (OSError, ValueError):
        return False


def _place_problem(place: Path) -> str:
    """Return the error of a split's path, empty when images can be listed from it."""
    try:
        if place.is_file():
            place.read_text(encoding="utf-8-sig")
        elif not place.is_dir():
            return f"must exist, but {place} does not"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        return f"must be a folder or a text file with one image a line, but {place}: {reason}"
    return ""


def _missing_path_hint(source: Path, raw: Mapping[str, Any], value: str) -> str:
    """Return the likely reason why a split's path does not exist."""
    if raw.get("path") and _exists(source.parent / value):
        return f"; remove `path` ({raw['path']}): {value} is in the folder of {source.name}"
    if "\\" in value and _exists(source.parent / str(raw.get("path") or "") / value.replace("\\", "/")):
        return "; write / instead of \\"
    if raw.get("download"):
        return "; `download` is never run: download the data set manually"
    elsewhere = [str(root) for root in roots_of(source, raw)[1:]]
    return f"; also tried relative to {elsewhere[0]}" if elsewhere else ""


def resolved(path: Path) -> Path:
    """Resolve a path; a symlink loop or an invalid file name stays unchanged."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return path
