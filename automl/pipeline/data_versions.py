"""Versions of a data set that grows with pictures from the field, and the description that trains again on one.

Version 1 is the data set of the first study. A later one is a folder `field/<champion>/<number>` of the storage: its
`data.yaml` names the places of the version before and its own new images. It is closed when its description is written.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from automl.data.importing.splits import SPLITS
from automl.data.labelling.field import WAITING
from automl.data.labelling.proposals import FOLDER as PROPOSALS
from automl.data.labelling.store import FOLDER as LABELLING
from automl.data.labels import label_of
from automl.data.places import names_of, normalised, places_of
from automl.pipeline import inputs
from automl.storage import files
from automl.storage.layout import BEST, DATA_YAML, FIELD, RUNS, SPEC
from automl.storage.place import Place
from automl.storage.registry import CHAMPION
from automl.study.errors import DataError, StudyError
from automl.study.spec import StudySpec
from automl.study.yaml_io import dump_yaml, read_yaml

FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class DataVersion:
    """A version of a data set."""

    number: int
    data: Path
    """Its `data.yaml`."""
    earlier: tuple[Path, ...]
    """The `data.yaml` of all versions before, the oldest first."""

    @property
    def folder(self) -> Path:
        """Return the folder of the `data.yaml`."""
        return self.data.parent

    @property
    def description(self) -> Path:
        """Return the path of the description that trains on this version."""
        return self.folder / SPEC


def open_version(place: Place, spec: StudySpec) -> DataVersion:
    """Return the version that takes new pictures; it is begun if the last one is closed.

    Raises:
        DataError: the data set of the study cannot be extended.
    """
    last = last_version(place, spec)
    if last.number > FIRST and not last.description.is_file():
        return last
    return _begun(last, _folder(place, spec.champion_name) / str(last.number + 1))


def last_version(place: Place, spec: StudySpec) -> DataVersion:
    """Return the newest version."""
    source = _source(place, spec)
    folder = _folder(place, spec.champion_name)
    numbers = sorted(int(path.name) for path in folder.glob("*") if _is_version(path))
    paths = [source, *(folder / str(number) / DATA_YAML for number in numbers)]
    return DataVersion(numbers[-1] if numbers else FIRST, paths[-1], tuple(paths[:-1]))


def _is_version(path: Path) -> bool:
    """Return True for the folder of a version; False for others beside, such as a copy `2.bak`."""
    return path.name.isascii() and path.name.isdecimal() and (path / DATA_YAML).is_file()


def _source(place: Place, spec: StudySpec) -> Path:
    """Return the `data.yaml` of version 1: that of the study, or of the study with which the loop began."""
    source = inputs.source_of(spec.data, place.study(spec.name))
    folder = _folder(place, spec.champion_name)
    if folder in source.parents:
        earlier = spec.confirm.earlier_data
        if not earlier:
            raise StudyError(
                f"{place.study(spec.name)}: confirm.earlier_data must name the first data set, but is empty"
            )
        return Path(earlier[0])
    if source.suffix.lower() not in {".yaml", ".yml"}:
        raise DataError(f"{source}: must be a data.yaml, to which pictures can be added, but is none: automl import it")
    return source


def _folder(place: Place, champion: str) -> Path:
    return place.storage / FIELD / champion


def _begun(before: DataVersion, folder: Path) -> DataVersion:
    """Begin a version: the images that still wait in the one before move here, with their proposals."""
    raw = normalised(read_yaml(before.data))
    for split in (*SPLITS, WAITING):
        (folder / "images" / split).mkdir(parents=True, exist_ok=True)
    if before.number > FIRST:
        _move_waiting(before.folder, folder)
    files.write_text(folder / DATA_YAML, dump_yaml(_description(before.data, raw, folder)))
    return DataVersion(int(folder.name), folder / DATA_YAML, (*before.earlier, before.data))


def _description(source: Path, raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for split in SPLITS:
        if raw.get(split):
            found[split] = [*(_relative(place, folder) for place in places_of(source, raw, split)), f"images/{split}"]
    found |= {WAITING: f"images/{WAITING}", "names": names_of(raw)}
    return found | ({"kpt_shape": raw["kpt_shape"]} if raw.get("kpt_shape") else {})


def _relative(place: Path, folder: Path) -> str:
    """Return a path relative to a version where both are in one storage, which may be mounted elsewhere."""
    storage = folder.parents[2]
    return os.path.relpath(place, folder) if place.is_relative_to(storage.resolve()) else str(place)


def _move_waiting(before: Path, after: Path) -> None:
    for image in sorted((before / "images" / WAITING).iterdir()):
        target = after / "images" / WAITING / image.name
        if (label := label_of(image)).is_file():
            label_of(target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(label, label_of(target))
        image.rename(target)
    if (old := before / LABELLING / PROPOSALS).is_dir():
        shutil.copytree(old, after / LABELLING / PROPOSALS, dirs_exist_ok=True)


def describe(place: Place, spec: StudySpec, version: DataVersion, *, new: int) -> tuple[Path, list[str]]:
    """Write the description that trains again on a version, and close it; return its path, and what was changed.

    It starts from the weights of the champion, learns from the trials of the last study, and the model that ships must
    not have forgotten the earlier versions (`gates.max_forgetting`).
    """
    registry = place.registry(spec.champion_name)
    number = registry.records()[0].get(CHAMPION, 0)
    weights = str(registry.verified(number) / BEST) if number else spec.model
    space = {name: part for name, part in spec.space.items() if name != "model"}
    notes = [f"starts from {'the champion, version ' + str(number) if number else 'the model of the last study'}"]
    if len(space) < len(spec.space):
        notes.append("space.model is left out: the champion's weights are of one model")
    warm = [str(Path(RUNS) / spec.name)] if place.study(spec.name).is_dir() else []
    plain = spec.model_copy(
        update={
            "name": f"{spec.champion_name}-v{version.number}", "champion": spec.champion_name, "model": weights,
            "data": str(version.data), "space": space, "warm_start": warm,
            "confirm": spec.confirm.model_copy(update={"earlier_data": [str(path) for path in version.earlier]}),
        }
    ).model_dump(mode="json")  # fmt: skip
    head = f"# Version {version.number} of the data set of {spec.champion_name}: {new} new pictures.\n"
    files.write_text(version.description, head + dump_yaml(plain))
    return version.description, notes
