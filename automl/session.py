"""One process's hold on one study: its folder claimed and locked, its data checked and staged, its journal open."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console

from automl import (
    attempts,
    bounds,
    dataset,
    durable,
    earlier,
    plain_training,
    sample,
    scratch,
    warmup,
    yolo,
)  # fmt: skip
from automl.baseline import Baseline
from automl.clock import JobClock
from automl.dataset import DataSet, Summary
from automl.errors import StudyError
from automl.journal import FILE, Journal
from automl.patience import Patience, held, patiently
from automl.progress import Progress
from automl.records import EarlierEvidence
from automl.registry import Registry
from automl.spec import SAMPLE, ConfirmSpec, StudySpec, differences, dump, read_yaml, stored

SPEC: Final = "study.yaml"
DATA: Final = "data"
MODELS: Final = "models"
WRITTEN: Final = ("trials", "confirm", "export", MODELS, DATA)
"""The folders of a study's own in which it writes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are: a study's folder, and beside `runs` the registry."""

    storage: Path

    def study(self, name: str) -> Path:
        """Return a study's folder."""
        return self.storage / "runs" / name

    def registry(self, spec: StudySpec) -> Registry:
        """Return the registry's part for a study."""
        return Registry(self.storage / "models", spec.champion_name)


@dataclass(slots=True)
class Session:
    """One process's work on one study, under its lock."""

    spec: StudySpec
    place: Place
    folder: Path
    data: DataSet
    staged: Path
    journal: Journal
    progress: Progress
    earlier: tuple[EarlierEvidence, ...] = ()
    """What earlier studies tell the sampler."""
    baseline: Baseline | None = None
    """What trial 0 is trained with; None in a study that an earlier version began."""
    clock: JobClock = field(init=False)

    def __post_init__(self) -> None:
        """Continue the wall-clock time of earlier sessions."""
        self.clock = JobClock(self.journal)


@contextmanager
def opened(spec: StudySpec, place: Place, *, console: Console) -> Iterator[Session]:
    """Claim the study's folder, check and stage the data, and open the journal.

    Raises:
        StudyError: the folder is in use, belongs to another description, or cannot be written.
    """
    began, folder = time.monotonic(), place.study(spec.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"{folder}: must be a folder that can be written, but {error.strerror}; pass --storage"
        ) from None
    bounds.check(folder, inner=WRITTEN)
    bounds.check(place.registry(spec).folder)
    progress = Progress(folder / "study.log", console=console)
    with durable.locked(folder), held(Patience(progress.event)), attempts.beating(folder, attempt=0):
        spec = named_from(place.storage, adopt(spec, folder))
        spec = claim(folder, spec)
        data, staged = prepare_data(spec, folder)
        for warning in data.warnings:
            progress.event(f"data warning: {warning}")
        for warning in warmup.warnings(spec, yolo.settings()):
            progress.event(f"ladder warning: {warning}")
        lessons = warm_start(spec, place, data)
        for lesson in lessons:
            progress.event(lesson.told())
        journal = Journal.create(folder, name=spec.name, metric=spec.metric)
        if journal.dropped:
            progress.event(f"journal mended: {journal.dropped}")
        taught = earlier.evidence(lessons)
        baseline = plain_training.recorded(spec, data, journal)
        if baseline:
            progress.event(plain_training.told(baseline))
        session = Session(spec, place, folder, data, staged, journal, progress, taught, baseline)
        session.clock.count_from(began)
        with session.clock.running():
            yield session


def claim(folder: Path, spec: StudySpec) -> StudySpec:
    """Check that a study that has begun here has this description, and return it; one that has not begun takes it.

    What is kept on disk is no part of what was searched, so `retention` may change on the way; and so may
    `confirm.retrainings` be given anew, by which a close verdict is decided.
    """
    path = folder / SPEC
    if not path.exists() or not (folder / FILE).exists():
        durable.write_text(path, dump(spec))
        return spec
    kept = stored(path)
    if spec.confirm.retrainings == "auto":
        spec = spec.model_copy(update={"confirm": _with_retrainings(spec, kept)})
    same = spec.model_copy(update={"retention": kept.retention, "confirm": _with_retrainings(spec, kept)})
    if different := differences(same, kept):
        listed = "\n".join(f"  {line}" for line in different)
        raise StudyError(
            f"{folder}: must belong to the same description, but differs in\n{listed}\n"
            f"choose another --name, or go on with the old one: automl resume {folder}"
        )
    if spec != kept:
        durable.write_text(path, dump(spec))
    return spec


def _with_retrainings(spec: StudySpec, kept: StudySpec) -> ConfirmSpec:
    return spec.confirm.model_copy(update={"retrainings": kept.confirm.retrainings})


def adopt(spec: StudySpec, folder: Path) -> StudySpec:
    """Copy the model files into the study's folder and name them by their place in it, `models/<digest>/<name>`.

    A study submitted as a job comes from a folder that is thrown away with the cluster; its own copy stays, and the
    same study submitted again, or found under another path, is recognised by the content of the files.
    """

    def own(name: str) -> str:
        source = Path(name)
        if keeps(folder, name):
            return name
        target = kept_name(name)
        if source.is_file() and not (folder / target).exists():
            durable.copy(source, folder / target)
        return target

    return spec.with_models(own)


def keeps(folder: Path, name: str) -> bool:
    """Tell whether a model's name is that of a file in the study's own folder, and leads nowhere else."""
    whole = (folder / name).resolve()
    return whole.is_file() and whole.is_relative_to(folder.resolve()) and not Path(name).is_absolute()


def kept_name(name: str) -> str:
    """Return the name under which a study keeps a model file; one that Ultralytics ships stays a name."""
    source = Path(name)
    return str(Path(MODELS, durable.sha256(source)[:12], source.name)) if source.is_file() else name


def named_from(storage: Path, spec: StudySpec) -> StudySpec:
    """Name earlier studies below the storage from there, so that they are the same wherever the storage is mounted."""
    root = storage.resolve()
    names = [os.path.relpath(name, root) if Path(name).is_relative_to(root) else name for name in spec.warm_start]
    return spec.model_copy(update={"warm_start": names})


def warm_start(spec: StudySpec, place: Place, data: DataSet) -> tuple[earlier.Transfer, ...]:
    """Return what earlier studies bring: read at the first start, from then on as the study keeps it.

    Raises:
        StudyError: an earlier study cannot be learnt from, or what was kept is gone.
    """
    folder = place.study(spec.name)
    summary = summary_of(data)
    if summary:
        durable.write_json(folder / earlier.DATASET, summary.to_dict())
    if (folder / FILE).exists():
        return earlier.kept(folder, spec)
    lessons = lessons_of(spec, place, summary)
    earlier.keep(folder, lessons)
    return lessons


def lessons_of(spec: StudySpec, place: Place, data: Summary | None) -> tuple[earlier.Transfer, ...]:
    """Read the earlier studies that a description names."""
    if not spec.warm_start:
        return ()
    return earlier.gather(spec, place.storage, data=data, settings=yolo.settings())


def prepare_data(spec: StudySpec, folder: Path) -> tuple[DataSet, Path]:
    """Check the study's data, drawing the sample if it is asked for, and stage it in the study's folder.

    Raises:
        StudyError: the study has begun, and its data set is not what it was.
    """
    source = source_of(spec, folder)
    if spec.data == SAMPLE and not source.exists():
        patiently(folder, lambda: sample.draw(source.parent))
    data = check_data(spec, source)
    marker = folder / DATA / "data.yaml"
    begun = (folder / FILE).exists() and marker.is_file()
    if begun and not marker.read_text(encoding="utf-8").startswith(f"# {data.fingerprint}\n"):
        raise StudyError(
            f"{source}: must be the data set that the study began with, but images or labels have changed since; "
            "bring them back, or search the new state under another --name"
        )
    return data, patiently(folder, lambda: dataset.stage(data, folder / DATA))


def source_of(spec: StudySpec, folder: Path) -> Path:
    """Return the `data.yaml` of a study's data set."""
    return folder / "sample" / "data.yaml" if spec.data == SAMPLE else Path(spec.data)


def check_data(spec: StudySpec, source: Path) -> DataSet:
    """Look at the splits that the study will use."""
    splits = tuple(dict.fromkeys(("train", "val", spec.confirm.split)))
    return dataset.check(source.absolute(), read_yaml(source), splits=splits)


def summary_of(data: DataSet) -> Summary | None:
    """Return what the training split looks like."""
    return dataset.summarise(data.images["train"], classes=len(data.names), fingerprint=data.fingerprint)


def summary_at(source: str) -> Summary | None:
    """Return what the training split of a data set of the user's, or of the sample, looks like."""
    with scratch.folder() as folder:
        path = sample.draw(folder) if source == SAMPLE else Path(source).absolute()
        return summary_of(dataset.check(path, read_yaml(path), splits=("train",)))


def default_storage() -> Path:
    """Return where `runs` and `models` go: $AUTOML_STORAGE, else here.

    The folder of a submitted job is thrown away with the job, so there it is `automl` in the home folder.
    """
    if given := os.environ.get("AUTOML_STORAGE"):
        return Path(given).expanduser().absolute()
    submitted = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    return Path.home() / "automl" if submitted else Path.cwd()


def resumable(folder: Path) -> StudySpec:
    """Return the description of the study in a folder.

    Raises:
        StudyError: the folder holds none.
    """
    if not (folder / SPEC).is_file():
        raise StudyError(f"{folder}: must be a study's folder, but has no {SPEC}")
    return stored(folder / SPEC)
