"""Parser of `data.yaml`: classes and paths of the splits, as `check_det_dataset` of Ultralytics accepts them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from automl.data import regular_files, vendor_datasets
from automl.study.messages import shown

MOST_LIST_BYTES: Final = 256 * regular_files.MB
"""Maximum size of a text file that lists images."""
STORES: Final = (".git/annex/objects", ".dvc/cache")
"""Where git-annex and DVC keep the files to which they link, below the root of a repository."""
VALID: Final = "valid"
"""Roboflow's name of the folder of val, often written as the key too."""
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
            other = f"; rename the key {VALID} to val" if split == "val" and VALID in raw else ""
            yield (
                f"{source}: {split}: must name a folder or a text file that lists images, or a list of these, "
                f"but {'names none' if values is None else f'got {shown(values)}'}{other}{hint}"
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
        yield f"nc: must be the number of classes, but got {shown(count)}"
    if names is None and _whole(count):
        return
    yield from (f"names{mistake}" for mistake in _names_mistakes(names))
    if isinstance(names, dict | list) and _whole(count) not in {None, len(names)}:
        yield f"nc: must be the number of names ({len(names)}), but got {shown(count)}; remove nc, or fix names"


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
        yield f": must map class numbers to names, but got {shown(names)}"
        return
    pairs = list(enumerate(names)) if isinstance(names, list) else list(names.items())
    numbers = [int(number) if str(number).isdecimal() else -1 for number, _ in pairs]
    if sorted(numbers) != list(range(len(pairs))):
        yield f": must be numbered 0 to {len(pairs) - 1}, but got {shown([number for number, _ in pairs])}"
    for number, name in pairs:
        if isinstance(name, bool) or not isinstance(name, str | int | float):
            yield f".{number}: must be text (in quotes where YAML reads another type), but got {shown(name)}"
    numbers_of: dict[str, list[object]] = {}
    for number, name in pairs:
        numbers_of.setdefault(str(name) if isinstance(name, str | int | float) else f"{number}", []).append(number)
    for name, alike in numbers_of.items():
        if len(alike) > 1:
            yield f": must differ, since scores are kept by name, but classes {shown(alike)} are all {shown(name)}"


def _kind_mistakes(raw: Mapping[str, Any]) -> Iterator[str]:
    """Yield the errors of the keys that define images and label lines."""
    if raw.get("channels", 3) != 3:
        yield (
            "channels: must be 3, since models are trained, exported and served with three channels, but got "
            f"{shown(raw['channels'])}; remove the line to train on three channels: a grey image is repeated, of more "
            "channels the first three are used, of several pages the first"
        )
    if raw.get("kpt_shape") is not None and not _is_shape(raw["kpt_shape"]):
        law = "must be [number of keypoints, values each], such as [17, 3]"
        yield f"kpt_shape: {law}, but got {shown(raw['kpt_shape'])}"
    if "path" in raw and not isinstance(raw["path"], str | None):
        yield f"path: must be text, but got {shown(raw['path'])}"


def keypoint_numbers(raw: Mapping[str, Any]) -> int:
    """Return the number of keypoint values in a label line; a detection training cuts off any number a keypoint.

    >>> keypoint_numbers({"kpt_shape": [4, 2]}), keypoint_numbers({"kpt_shape": [4, 5]}), keypoint_numbers({})
    (8, 20, 0)
    """
    shape = raw.get("kpt_shape")
    return math.prod(shape) if isinstance(shape, list) and _is_shape(shape) else 0


def _is_shape(shape: object) -> bool:
    return isinstance(shape, list) and [type(n) for n in shape] == [int, int] and min(shape) >= 0


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

    `path` is read from the folder of the `data.yaml`, else from the working folder or from the datasets folder of
    Ultralytics' settings, as Ultralytics does.
    """
    path = str(raw.get("path") or "")
    beside = source.parent / path
    if not path or Path(path).is_absolute():
        return (beside,)
    return (beside, Path.cwd() / path, *(folder / path for folder in vendor_datasets.folders()))


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
        if place == Path(place.anchor):
            return f"must be a folder of images, but {place} is the root of the file system"
        if place.is_file():
            list_text(place)
        elif not place.exists():
            return f"must exist, but {place} does not"
        elif not place.is_dir():
            return f"must be a folder or a text file with one image a line, but {place} is neither"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        return f"must be a folder or a text file with one image a line, but {place}: {reason}"
    return ""


def list_text(place: Path) -> str:
    """Return the content of a text file that lists images; raises like `regular_files.read`."""
    return regular_files.read(place, most=MOST_LIST_BYTES).decode("utf-8-sig")


def folders_of(source: Path, raw: Mapping[str, Any], images: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders that make up a data set, in which a link of a label file must end.

    These are the folder of the `data.yaml` and that to which it links, those to which paths are relative, those round
    the images, and the stores of git-annex, DVC and the Hugging Face cache.
    """
    found = {source.parent, resolved(source).parent, *roots_of(source, raw)}
    found |= {_above_images(folder) for folder in dict.fromkeys(image.parent for image in images)}
    found |= {parent / store for parent in source.absolute().parents for store in STORES if _exists(parent / store)}
    found |= {parent.parent / "blobs" for parent in source.absolute().parents if parent.name == "snapshots"}
    places = {resolved(folder) for folder in found}
    return tuple(place for place in places if place != Path(place.anchor))


def _above_images(folder: Path) -> Path:
    """Return the folder above the last folder `images` of a path, else the path itself."""
    last = next((path for path in (folder, *folder.parents) if path.name == "images"), None)
    return last.parent if last else folder


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
