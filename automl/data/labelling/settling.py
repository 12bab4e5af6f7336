"""Images that waited and are labelled by now get their split; copies of known images go where those are."""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from automl.data import picture_cache
from automl.data.importing import splits
from automl.data.importing.splits import SPLITS, Plan
from automl.data.labelling import proposals
from automl.data.labelling.history import Kind
from automl.data.labelling.store import LabelStore, State, key_of
from automl.data.labels import label_of
from automl.data.pictures import Picture
from automl.storage import files

WAITING: Final = "waiting"


@dataclass(frozen=True, slots=True)
class Settled:
    """Result of `settle`."""

    images: Mapping[str, int]
    """Split to number of images that were moved there."""
    waiting: int
    """Images that still have no labels."""


def settle(store: LabelStore, *, plan: Plan, by: str) -> Settled:
    """Move the labelled images of `waiting` into `images/train`, `images/val` and `images/test` beside the `data.yaml`.

    An image that is nearly a copy of one in a split goes into that split; the others are drawn. The label file is
    copied first and the image then moved, so that an interruption loses nothing.

    Raises:
        DataError: a label file cannot be read.
    """
    with store.locked():
        waiting = [key for key, split in store.splits.items() if split == WAITING]
        done = [key for key in waiting if store.read(key).state is not State.UNLABELLED]
        counts = dict.fromkeys(SPLITS, 0)
        for key, split in _drawn(store, done, plan).items():
            target = _free(store.source.parent / "images" / split / store.images[key].name)
            _move(store.images[key], target)
            new = key_of(store.source, target)
            last = store.history.last(key)
            store.history.append({"by": by, "image": key, "kind": Kind.MOVE, "to": new, "why": split,
                                  "after": last.after if last else None})  # fmt: skip
            proposals.discard(store, key)
            del store.images[key], store.splits[key]
            store.images[new], store.splits[new] = target, split
            counts[split] += 1
        if any(counts.values()):
            _name_splits(store.source, [split for split, count in counts.items() if count])
    return Settled(counts, len(waiting) - len(done))


def _drawn(store: LabelStore, keys: Sequence[str], plan: Plan) -> dict[str, str]:
    """Return the split of each image."""
    pictures = picture_cache.look_at_all(store.images.values(), cache=picture_cache.default_folder())
    usable = [key for key in keys if not pictures[store.images[key]].problem]
    paths = {store.images[key]: key for key in usable}
    known = {store.images[key]: split for key, split in store.splits.items() if split != WAITING}
    compared = [*paths, *(path for path in known if not pictures[path].problem)]
    members = splits.groups(compared, pictures, pattern=plan.group)
    found, left = dict[Path, str](), list[list[Path]]()
    for group in members:
        new, old = [path for path in group if path in paths], [known[path] for path in group if path in known]
        if old:
            found.update(dict.fromkeys(new, old[0]))
        elif new:
            left.append(new)
    found |= splits.draw(left, _classes(store, usable), _digests(pictures, paths), plan)
    return {paths[path]: split for path, split in found.items()}


def _classes(store: LabelStore, keys: Sequence[str]) -> dict[Path, list[str]]:
    found = defaultdict[Path, list[str]](list)
    for key in keys:
        found[store.images[key]] = [store.names[box.cls] for box in store.read(key).boxes]
    return found


def _digests(pictures: Mapping[Path, Picture], paths: Mapping[Path, str]) -> dict[Path, bytes]:
    return {path: pictures[path].digest for path in paths}


def _move(image: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    label = label_of(target)
    label.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(label_of(image), label)
    image.rename(target)
    label_of(image).unlink()


def _free(target: Path) -> Path:
    """Return the path, with a number where its label file would be another image's."""
    found, number = target, 1
    while found.exists() or label_of(found).exists():
        number += 1
        found = target.with_name(f"{target.stem}-{number}{target.suffix}")
    return found


def _name_splits(source: Path, used: Sequence[str]) -> None:
    """Add the splits that the `data.yaml` does not name yet."""
    text = source.read_text(encoding="utf-8")
    lines = [f"{split}: images/{split}" for split in used if not _names(text, split)]
    if lines:
        files.write_text(source, text.rstrip("\n") + "\n" + "".join(f"{line}\n" for line in lines))


def _names(text: str, split: str) -> bool:
    return any(line.startswith(f"{split}:") for line in text.splitlines())
