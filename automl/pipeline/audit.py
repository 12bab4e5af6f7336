"""Label audit of a study: its kept models predict its images, and suspect labels are ranked."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from automl.data.audit import ranking
from automl.data.audit.records import AuditImage, Detections, Label, Suspect
from automl.data.labels import label_lines
from automl.data.record import DataSet
from automl.pipeline import audit_cache, audit_folds, inputs
from automl.storage import files, job_file
from automl.storage.checkpoint_files import best_ended
from automl.storage.journal import Journal
from automl.storage.layout import AUDIT, BEST, CONFIRM, DATA, DATA_YAML, UNPACKED, VERDICT, trial_folder
from automl.storage.registry import CHAMPION, Registry
from automl.study import EvalSettings, Job
from automl.study.errors import AutomlError, StudyError
from automl.study.spec import StudySpec
from automl.study.text import counted
from automl.trainers import trainer_of

LOG: Final = logging.getLogger(__name__)

SPLITS: Final = ("train", "val")
MODELS: Final = 5
"""Default of the most models that predict: agreement of more changes little, and each costs a pass over the images."""


@dataclass(frozen=True, slots=True)
class Model:
    """Kept weights of a study, and the job that they were trained with."""

    name: str
    weights: Path
    digest: str
    """SHA-256 of the weights."""
    job: Job


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Result of a label audit."""

    study: str
    source: Path
    """The `data.yaml`."""
    names: tuple[str, ...]
    models: tuple[str, ...]
    images: dict[str, int]
    """Split to number of images."""
    labels: dict[str, int]
    """Split to number of labels."""
    suspects: tuple[Suspect, ...]
    """The most suspicious first."""
    learned: bool = False
    """Scores are estimated probabilities of a classifier; False: scores of rules, since there are few labels."""
    folds: int = 0
    """Trainings of a cross-validation that predicted the images in place of the study's models; 0: none."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose predictions an audit rests on."""

    models: int = MODELS
    """The most of the study's kept models, the best first."""
    folds: int = 0
    """If not 0, in their place so many trainings, each asked about the images that it has not seen."""
    epochs: int = 0
    """Epochs of each of these; 0: as many as the study's best model had."""


def audit(
    folder: Path, spec: StudySpec, *, splits: Sequence[str] = SPLITS, asked: Asked, registry: Registry
) -> AuditReport:
    """Return the suspect labels of a study's data set; labels are never changed.

    Detections are kept in the study's folder, by weights and data set, so that a second audit does not predict again.

    Args:
        folder: the study's folder.
        spec: its description.
        splits: which of train, val and test.
        asked: which models predict.
        registry: where the study's champion is, if it serves.

    Raises:
        StudyError: no weights are left, the study has no such data, or a training failed.
    """
    _check(splits, asked)
    places = kept(folder, registry, metric=spec.metric, model=spec.model)
    models = models_of(folder, places, most=1 if asked.folds else asked.models)
    data = _data(folder, spec.data, splits)
    record = trainer_of(models[0].job).evaluation(models[0].job)
    found = _found(models, data, splits, asked=asked, cache=folder / AUDIT)
    images = [
        AuditImage(split, path, _labels(path, data, record), [one[split][place] for one in found.values()])
        for split in splits
        for place, path in enumerate(data.images[split])
    ]
    names = tuple(record.names[number] for number in sorted(record.names))
    LOG.info(f"ranking the labels of {counted(len(images), 'image')} by {counted(len(found), 'model')}")
    return AuditReport(
        study=spec.name,
        source=data.source,
        names=names,
        models=tuple(found),
        images={split: len(data.images[split]) for split in splits},
        labels={split: sum(len(one.labels) for one in images if one.split == split) for split in splits},
        suspects=tuple(ranking.rank(images, names=names, models=tuple(found))),
        learned=ranking.is_learned(images),
        folds=asked.folds,
    )


def _found(
    models: Sequence[Model], data: DataSet, splits: Sequence[str], *, asked: Asked, cache: Path
) -> Mapping[str, Mapping[str, Sequence[Detections]]]:
    """Return the detections by model and split: those of the kept models, or those out of fold."""
    if asked.folds:
        job = replace(models[0].job, epochs=asked.epochs or models[0].job.epochs)
        return {
            audit_folds.NAME: audit_folds.detections(data, splits, job=job, folder=cache / "folds", count=asked.folds)
        }
    return {model.name: {split: _detections(model, data, split, cache) for split in splits} for model in models}


def _check(splits: Sequence[str], asked: Asked) -> None:
    if asked.models < 1:
        raise StudyError(f"audit: models: must be at least 1, but got {asked.models}")
    if asked.folds < 0 or asked.folds == 1 or asked.epochs < 0:
        raise StudyError(
            f"audit: folds, epochs: must be 2 or more, and 1 or more, but got {asked.folds} and {asked.epochs}"
        )
    if asked.epochs and not asked.folds:
        raise StudyError("audit: epochs: must go with folds, whose trainings it shortens, but got no folds")
    if not splits or (unknown := [split for split in splits if split not in (*SPLITS, "test")]):
        raise StudyError(
            f"audit: split: must be train, val or test, but got {', '.join(unknown) if splits else 'none'}"
        )


def models_of(folder: Path, places: Iterable[tuple[str, Path, Path]], *, most: int) -> list[Model]:
    """Return the first `most` different models of the places that `kept` yields, those without weights left out.

    Raises:
        StudyError: none has weights any more.
    """
    found = dict[str, Model]()
    for name, weights, settings in places:
        if len(found) == most:
            break
        if weights.is_file() and (digest := files.sha256(weights)) not in {one.digest for one in found.values()}:
            found[name] = Model(name, weights, digest, _job(settings, folder))
    if not found:
        raise StudyError(
            f"{folder}: must have weights of at least one ended trial, but has none left; they are deleted beyond "
            "retention.quota_gb: repeat the study with a higher retention.quota_gb or retention.keep"
        )
    return list(found.values())


def kept(folder: Path, registry: Registry, *, metric: str, model: str) -> Iterator[tuple[str, Path, Path]]:
    """Yield name, weights and folder of the job of all that may be kept: re-trainings, trials by rank, champion."""
    for path in sorted((folder / CONFIRM).glob(f"*/{BEST}")):
        yield path.parent.name, path, path.parent
    trials = Journal.read(folder, metric=metric).trials()
    for trial in best_ended(trials, metric, most=len(trials)):
        place = trial_folder(folder, trial, model)
        yield f"trial {trial.number}", place / BEST, place
    if (number := registry.aliases().get(CHAMPION, 0)) and (folder / VERDICT).is_file():
        version = registry.verified(number)
        yield f"champion v{number}", version / BEST, version


def _job(settings: Path, folder: Path) -> Job:
    """Return the job in a folder, with the data set where the study has it now, and a GPU only where there is one."""
    staged = folder / DATA / DATA_YAML
    if not staged.is_file():
        raise StudyError(f"{staged}: must be the staged data set, but is missing; `automl resume` writes it again")
    job = job_file.read(settings)
    return replace(job, data=str(staged), gpus=job.gpus if job.gpus and trainer_of(job).has_cuda() else 0.0)


def _data(folder: Path, given: str, splits: Sequence[str]) -> DataSet:
    split = "test" if "test" in splits else "val"
    source = inputs.source_of(given, folder)
    return inputs.check_data(source, unpacked=folder / UNPACKED, split=split, searched=())


def _detections(model: Model, data: DataSet, split: str, cache: Path) -> Sequence[Detections]:
    images = data.images[split]
    place = audit_cache.place(cache, weights=model.digest, data=data.fingerprint, split=split)
    try:
        return audit_cache.read(place, len(images))
    except AutomlError as error:
        if place.exists():
            LOG.info(f"{error}")
    LOG.info(f"{model.name} predicts {len(images)} images of {split}")
    found = list(trainer_of(model.job).detect(model.weights, model.job, images))
    audit_cache.write(place, found)
    return found


def _labels(path: Path, data: DataSet, record: EvalSettings) -> list[Label]:
    """Return the labels of an image that the models were trained on, with the models' class numbers."""
    lines = label_lines(path, len(data.names), keypoints=data.keypoints)
    read = [(line.number, int(line.box[0]), line.box) for line in lines if not line.mistake and not line.repeated]
    return [
        Label(number, 0 if record.single_cls else cls, (box[1], box[2], box[3], box[4]))
        for number, cls, box in read
        if record.classes is None or cls in record.classes
    ]
