"""The loop from the field as the command line and the pages use it: collect, pre-label, label, train again."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl.apps import labels
from automl.data.labelling import field
from automl.data.labelling.store import LabelStore, State
from automl.pipeline import data_versions
from automl.pipeline.data_versions import DataVersion
from automl.storage.place import Place, read_spec, study_folder
from automl.storage.registry import CHAMPION, Registry
from automl.study.errors import StudyError
from automl.study.spec import StudySpec


@dataclass(frozen=True, slots=True)
class FieldStatus:
    """How far the pictures from the field are."""

    champion: str
    version: int
    """Of the data set that takes new pictures."""
    data: Path
    """Its `data.yaml`."""
    new: int = 0
    """Pictures that this call collected."""
    known: int = 0
    """Pictures that repeat one of the data set, or of each other."""
    marked: tuple[str, ...] = ()
    """Known pictures that a person marked as wrong, and the image that they repeat."""
    unreadable: tuple[str, ...] = ()
    proposed: int = 0
    """Pictures for which the champion proposed boxes."""
    waiting: int = 0
    """Pictures without labels."""
    labelled: int = 0
    """Labelled pictures that have no split yet: with these the model can be trained again."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A closed version of the data set, and the description that trains on it."""

    version: int
    data: Path
    description: Path
    images: dict[str, int]
    """Split to number of new images."""
    waiting: int
    notes: tuple[str, ...]


def update(study: Path, folders: Sequence[Path], *, storage: Path) -> FieldStatus:
    """Collect pictures of folders into the open version of a study's data set, and let the champion propose boxes.

    Without folders nothing is collected: the state is returned.

    Raises:
        AutomlError: there is no such study or folder, or its data set cannot be extended.
    """
    place, spec = _study(study, storage)
    if not folders:
        version = data_versions.last_version(place, spec)
        return _status(spec.champion_name, version, labels.store_at(version.data))
    version = data_versions.open_version(place, spec)
    store = labels.store_at(version.data)
    found = field.collect(store, folders)
    count = _propose(place.registry(spec.champion_name), store, found.new)
    state = _status(spec.champion_name, version, store)
    return FieldStatus(
        state.champion, state.version, state.data, len(found.new), found.known, found.marked, found.unreadable, count,
        state.waiting, state.labelled,
    )  # fmt: skip


def ready(study: Path, *, storage: Path, by: str) -> Ready:
    """Give the labelled pictures their splits, close the version, and write the description that trains again.

    Raises:
        StudyError: no picture is labelled.
    """
    place, spec = _study(study, storage)
    version = data_versions.last_version(place, spec)
    if version.number == data_versions.FIRST:
        raise StudyError(
            f"{study}: must have pictures from the field, but has none; collect them: automl field STUDY FOLDER"
        )
    if version.description.is_file():
        raise StudyError(
            f"{version.description}: version {version.number} is closed; automl search {version.description}"
        )
    store = labels.store_at(version.data)
    if not _status(spec.champion_name, version, store).labelled and not _own(store):
        raise StudyError(f"{version.data}: must have a labelled picture, but all wait; label them: automl web")
    waiting = labels.settle(store, by=by).waiting
    images = Counter(store.splits[key] for key in _own(store))
    path, notes = data_versions.describe(place, spec, version, new=images.total())
    return Ready(version.number, version.data, path, dict(images), waiting, tuple(notes))


def _own(store: LabelStore) -> list[str]:
    """Return the images of a version that have a split, without those of the versions before."""
    return [key for key, split in store.splits.items() if split != field.WAITING and key.startswith("images/")]


def _study(study: Path, storage: Path) -> tuple[Place, StudySpec]:
    folder = study_folder(study, storage)
    return Place(folder.absolute().parents[1]), read_spec(folder)


def _propose(registry: Registry, store: LabelStore, keys: Sequence[str]) -> int:
    """Let the champion propose boxes where no person gave some; 0 without a champion."""
    if not registry.records()[0].get(CHAMPION, 0):
        return 0
    unseen = [key for key in keys if not labels.has_person(store, key)]
    return labels.propose(store, labels.proposer(str(registry.folder)), unseen) if unseen else 0


def _status(champion: str, version: DataVersion, store: LabelStore) -> FieldStatus:
    states = [store.read(key).state for key, split in store.splits.items() if split == field.WAITING]
    waiting = states.count(State.UNLABELLED)
    return FieldStatus(champion, version.number, version.data, waiting=waiting, labelled=len(states) - waiting)
