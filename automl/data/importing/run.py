"""Import of a folder or an archive as a YOLO data set: read, check, split, write."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from automl.data import archive, copies, picture_cache
from automl.data.importing import recognition, splits
from automl.data.importing.records import Annotated, NamedBox, Notes, Reading, Source, by_first_use
from automl.data.importing.splits import SPLITS, Plan
from automl.data.labels import box_text
from automl.data.picture_cache import look_at_all
from automl.data.pictures import Picture
from automl.storage import files, ownership
from automl.study.errors import DataError
from automl.study.plain_values import plain

RECORD: Final = "import.json"
"""File of the data set that says where it comes from."""
WAITING: Final = "waiting"
"""Key of a `data.yaml`, and folder, of the images that wait for labels; no training reads them."""
ASPECT: Final = 0.02
"""How far the ratio of the sides that an annotation gives may differ from the image's, as a share."""
PART: Final = ".part"

ReadYaml = Callable[[Path], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of an import."""

    data: Path
    """The `data.yaml`."""
    source: str
    kind: str
    """The format that was read."""
    names: tuple[str, ...]
    images: Mapping[str, int]
    """Split, and `waiting`, to number of images."""
    boxes: int
    groups: int
    """Groups of images that were kept together; 0 where the splits of the source were kept."""
    leaks: tuple[str, ...] = ()
    """Copies between splits that the source names, which were kept."""
    notes: tuple[str, ...] = ()
    """What was left out or changed, and why."""


@dataclass(slots=True)
class _Work:
    """The images of an import on their way."""

    kept: list[Annotated]
    pictures: Mapping[Path, Picture]
    notes: Notes
    split: dict[Path, str] = field(default_factory=dict)


def import_data(
    source: Path, out: Path, *, plan: Plan | None = None, names: Sequence[str] = (), read_yaml: ReadYaml
) -> Imported:
    """Write the images and boxes of a source as a YOLO data set into the new folder `out`; the source is not changed.

    Args:
        source: a folder, a `data.yaml`, or an archive.
        out: a folder that does not exist or is empty.
        plan: how splits are drawn; None keeps those that the source names, if these are train and val.
        names: class names in the wanted order; the source must have no others. Needed for images without annotations.
        read_yaml: reads a `data.yaml`.

    Raises:
        DataError: the source cannot be read, or has classes that are not in `names`.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: must be a new or empty folder, but contains files; choose another folder")
    unpacked = out.with_name(f".{out.name}.unpacked")
    try:
        reading = _read(source, unpacked, read_yaml)
        classes = _classes(reading, names, source)
        work = _checked(reading)
        keep = plan is None and _has_splits(work.kept)
        groups = 0 if keep else _draw(work, plan or Plan())
        leaks = tuple(_leaks(work)) if keep else ()
        return _written(work, out, _Facts(str(source), reading.kind, classes, groups, leaks))
    finally:
        if ownership.is_claimed(unpacked):
            ownership.remove(unpacked)


def _read(source: Path, unpacked: Path, read_yaml: ReadYaml) -> Reading:
    if source.is_file() and archive.is_archive(source):
        archive.unpack(source, unpacked)
        folder = unpacked
    else:
        folder = source
    if folder.is_file():
        if folder.suffix.lower() not in {".yaml", ".yml"}:
            raise DataError(
                f"{folder}: must be a folder, an archive or a data.yaml, but is another file; pass its folder"
            )
        place = Source(folder.parent, {}, ())
        return recognition.read(place, yaml=folder, raw=read_yaml(folder))
    if not folder.is_dir():
        raise DataError(f"{source}: must be a folder, an archive or a data.yaml, but does not exist")
    found = recognition.source_in(folder)
    yaml = archive.yaml_in(folder)
    raw = read_yaml(yaml) if yaml else {}
    return recognition.read(found, yaml=yaml, raw=raw if folder == source else {**raw, "path": None})


def _classes(reading: Reading, given: Sequence[str], source: Path) -> tuple[str, ...]:
    used = by_first_use(reading.images, reading.names)
    if not given:
        if not used:
            raise DataError(
                f"{source}: must have annotations with classes, but has none; name them: --names hole,scratch"
            )
        return used
    if unknown := [name for name in by_first_use(reading.images) if name not in given]:
        raise DataError(
            f"{source}: boxes must be of the classes {list(given)}, but some are of {unknown}; add them to --names"
        )
    return tuple(given)


def _checked(reading: Reading) -> _Work:
    """Leave out images that cannot be used or repeat another, and boxes without area; clip boxes to the image."""
    notes = reading.notes
    pictures = look_at_all([one.image for one in reading.images], cache=picture_cache.default_folder())
    kept, seen = list[Annotated](), dict[bytes, Path]()
    for one in sorted(reading.images, key=lambda one: not one.labelled):  # of copies the labelled one is kept
        picture = pictures[one.image]
        if picture.problem:
            notes.add(f"images are unusable ({picture.problem})", one.image)
        elif (first := seen.setdefault(picture.digest, one.image)) is not one.image:
            notes.add("images are copies of another, byte by byte, and are left out", f"{one.image} = {first}")
        elif not _fits(one, picture):
            notes.add("images have other proportions than their annotation says, and are left out", one.image)
        else:
            boxes = tuple(box for box in map(_clipped, one.boxes) if _has_area(box))
            if len(boxes) < len(one.boxes):
                notes.add("images have boxes without area or outside the image, which are left out", one.image)
            kept.append(replace(one, boxes=boxes))
    if not kept:
        reasons = "; ".join(notes.lines())
        raise DataError(f"the source must contain usable images, but all were left out: {reasons}")
    return _Work(kept, pictures, notes)


def _fits(one: Annotated, picture: Picture) -> bool:
    if one.size is None or not one.boxes:
        return True
    width, height = one.size
    return abs(width * picture.height / (height * picture.width) - 1) <= ASPECT


def _clipped(box: NamedBox) -> NamedBox:
    left, top, right, bottom = (min(max(edge, 0.0), 1.0) for edge in (box.left, box.top, box.right, box.bottom))
    return NamedBox(box.name, left, top, right, bottom)


def _has_area(box: NamedBox) -> bool:
    return box.right > box.left and box.bottom > box.top


def _has_splits(images: Sequence[Annotated]) -> bool:
    named = {one.split for one in images if one.labelled}
    return {"train", "val"} <= named and "" not in named


def _draw(work: _Work, plan: Plan) -> int:
    """Draw the splits of the labelled images; return the number of groups."""
    labelled = [one for one in work.kept if one.labelled]
    images = [one.image for one in labelled]
    members = splits.groups(images, work.pictures, pattern=plan.group)
    classes = {one.image: [box.name for box in one.boxes] for one in labelled}
    work.split = splits.draw(members, classes, {image: work.pictures[image].digest for image in images}, plan)
    return len(members)


def _leaks(work: _Work) -> list[str]:
    """Keep the splits of the source; return what leaks between them."""
    work.split = {one.image: one.split for one in work.kept if one.labelled}
    images = {split: [image for image, of in work.split.items() if of == split] for split in SPLITS}
    found = copies.find({split: paths for split, paths in images.items() if paths}, work.pictures)
    return [group.message()[0].rstrip(":") for group in found.groups if group.between]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is recorded of an import."""

    source: str
    kind: str
    names: tuple[str, ...]
    groups: int
    leaks: tuple[str, ...]


def _written(work: _Work, out: Path, facts: _Facts) -> Imported:
    """Write the data set beside its place, then give it its name: it exists only once it is complete."""
    part = out.with_name(f".{out.name}{PART}")
    ownership.remove(part)
    ownership.claim(part)
    targets, counts = _targets(work), dict.fromkeys((*SPLITS, WAITING), 0)
    numbers = {name: number for number, name in enumerate(facts.names)}
    for one in work.kept:
        split = work.split.get(one.image, WAITING)
        counts[split] += 1
        _copy(one, part, (split, targets[one.image]), numbers)
    files.write_text(part / "data.yaml", yaml_text(facts.names, counts))
    found = Imported(
        data=out / "data.yaml", source=facts.source, kind=facts.kind, names=facts.names, images=counts,
        boxes=sum(len(one.boxes) for one in work.kept), groups=facts.groups, leaks=facts.leaks,
        notes=tuple(work.notes.lines()),
    )  # fmt: skip
    files.write_json(part / RECORD, plain(found))
    (part / ownership.MARK).unlink()
    if out.is_dir():
        out.rmdir()
    part.rename(out)
    return found


def _copy(one: Annotated, root: Path, place: tuple[str, str], numbers: Mapping[str, int]) -> None:
    split, name = place
    target = root / "images" / split / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(one.image, target)
    if one.labelled:
        label = root / "labels" / split / Path(name).with_suffix(".txt").name
        label.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(box_text(numbers[box.name], (box.left, box.top, box.right, box.bottom)) for box in one.boxes)
        label.write_text(text, encoding="utf-8")


def _targets(work: _Work) -> dict[Path, str]:
    """Return the file names in the data set: those of the source, with a number where labels would meet."""
    taken, found = set[str](), dict[Path, str]()
    for one in work.kept:
        stem, suffix, number = one.image.stem, one.image.suffix.lower(), 1
        name = stem
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name.lower())
        found[one.image] = f"{name}{suffix}"
    return found


def yaml_text(names: Sequence[str], counts: Mapping[str, int]) -> str:
    """Return a `data.yaml` with paths beside it; train and val are always named, so that a check says what lacks."""
    used = [split for split in (*SPLITS, WAITING) if counts.get(split) or split in {"train", "val"}]
    paths = "".join(f"{split}: images/{split}\n" for split in used)
    listed = "".join(f"  {number}: {_quoted(name)}\n" for number, name in enumerate(names))
    return f"{paths}names:\n{listed}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
