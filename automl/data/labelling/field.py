"""Collection of pictures from the field: copies of known images are left out, the others wait for labels."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.data import copies, picture_cache, regular_files
from automl.data.images import listing
from automl.data.labelling import proposals
from automl.data.labelling.proposals import Proposed, in_shares
from automl.data.labelling.store import LabelStore, key_of
from automl.data.pictures import Picture
from automl.storage import files
from automl.study.errors import DataError

WAITING: Final = "waiting"
MOST_NOTE: Final = regular_files.MB
PERSON: Final = "a person"
"""Author of the boxes of a feedback."""
SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Collected:
    """Result of `collect`."""

    new: tuple[str, ...]
    """Keys of the pictures that wait for labels now."""
    known: int
    """Pictures that are copies or near copies of images of the data set, or of each other."""
    marked: tuple[str, ...]
    """Of the known ones, those that a person marked as wrong, with the image that they repeat: look at its labels."""
    unreadable: tuple[str, ...]
    """Files that are no usable image, each with the reason."""


def collect(store: LabelStore, folders: Sequence[Path]) -> Collected:
    """Copy pictures of folders into `images/waiting` beside the `data.yaml`; the folders are not changed.

    A picture may have a note beside it, `<stem>.json`, as `automl serve --field` writes it; its boxes become proposals.
    Near copies are found by thumbnails, as between splits (`copies.py`).

    Raises:
        DataError: a folder does not exist.
    """
    found = _listed(folders)
    pictures = picture_cache.look_at_all([*found, *store.images.values()], cache=picture_cache.default_folder())
    unreadable = [f"{path}: {pictures[path].problem}" for path in found if pictures[path].problem]
    usable = [path for path in found if not pictures[path].problem]
    notes = {path: _note(path) for path in usable}
    usable.sort(key=lambda path: notes[path].get("why") != "feedback")  # of two copies the marked one is kept
    alike = _alike([path for path in store.images.values() if not pictures[path].problem], usable, pictures)
    wrong = [f"{path} = {alike[path]}" for path in alike if notes[path].get("verdict") == "wrong"]
    new = [_keep(store, path, pictures[path], notes[path]) for path in usable if path not in alike]
    return Collected(tuple(new), len(alike), tuple(wrong), tuple(unreadable[:SHOWN]))


def _listed(folders: Sequence[Path]) -> list[Path]:
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: must be a folder with pictures from the field, but is none")
    return list(dict.fromkeys(listing([folder.absolute() for folder in folders], roots=()).images))


def _alike(known: Sequence[Path], new: Sequence[Path], pictures: Mapping[Path, Picture]) -> dict[Path, Path]:
    """Return the new pictures that repeat another: copy to the image that it repeats."""
    found: dict[Path, Path] = {}
    for group in copies.find({"data": known, "field": new}, pictures).groups:
        if group.split == "field":
            found |= {copy: first for copy, first in group.pairs if copy not in found}
    return found


def _note(picture: Path) -> Mapping[str, Any]:
    """Return the note beside a picture; an empty one where there is none, or where it is damaged."""
    try:
        found = json.loads(regular_files.read(picture.with_suffix(".json"), most=MOST_NOTE))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _keep(store: LabelStore, path: Path, picture: Picture, note: Mapping[str, Any]) -> str:
    name = f"{picture.digest.hex()[:16]}{path.suffix.lower()}"
    target = store.source.parent / "images" / WAITING / name
    files.copy(path, target)
    key = key_of(store.source, target)
    store.images[key], store.splits[key] = target, WAITING
    if boxes := _boxes(note, picture):
        proposals.write(store, key, Proposed(boxes[0], boxes[1]))
    return key


def _boxes(note: Mapping[str, Any], picture: Picture) -> tuple[str, tuple[proposals.Proposal, ...]] | None:
    """Return who proposes, and the boxes: those of a person, else those of the model."""
    try:
        if "given" in note:
            rows: Iterable[Mapping[str, Any]] = [{"confidence": 1.0, **box} for box in note["given"]]
            return PERSON, in_shares(rows, width=picture.width, height=picture.height)
        if note.get("boxes"):
            who = f"{note['model']} version {note['version']}"
            return who, in_shares(note["boxes"], width=picture.width, height=picture.height)
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return None
