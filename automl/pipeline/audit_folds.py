"""Out-of-fold predictions for the label audit: each image is predicted by a model that was not trained on it.

A model that has seen a wrong label agrees with it, the more the longer it trained. So the images of all splits that are
audited are divided into K parts, and K models are trained, each on all parts but one, which it then predicts.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from automl.data import staging
from automl.data.audit.records import Detections
from automl.data.record import DataSet
from automl.pipeline import audit_cache
from automl.storage import files, job_file
from automl.storage.layout import BEST
from automl.study import Job
from automl.study.errors import AutomlError, StudyError
from automl.trainers import trainer_of
from automl.trials import worker

LOG: Final = logging.getLogger(__name__)

NAME: Final = "out of fold"
"""Name of the model in the list: each image has one, that of its fold."""
DONE: Final = "done"
DATA_FOLDER: Final = "data"
LEAST: Final = 2
DIGITS: Final = 12
SEED: Final = 0
LEARNED: Final = 0.05
"""mAP50-95 on the images left out below which a model knows too little to doubt a label."""


@dataclass(frozen=True, slots=True)
class Fold:
    """One training of a cross-validation."""

    job: Job
    data: DataSet
    """Its training images as `train`, the others as `val`."""

    @property
    def left_out(self) -> Sequence[Path]:
        """Return the images that it is not trained on."""
        return self.data.images["val"]


def detections(
    data: DataSet, splits: Sequence[str], *, job: Job, folder: Path, count: int
) -> Mapping[str, Sequence[Detections]]:
    """Return the detections in the images of each split, by models that were not trained on them.

    Trains what is missing below `folder`; a training that was interrupted resumes from its checkpoint. A split of which
    no image is used for training (test) is predicted by the first model.

    Args:
        data: the checked data set.
        splits: whose detections are wanted.
        job: the training that each fold repeats; its folder, data and number are replaced.
        folder: where the trainings are kept; other labels or params make new ones.
        count: number of folds, at least 2.

    Raises:
        StudyError: there are fewer images than folds, or a training failed.
    """
    found = dict[Path, Detections]()
    folds = folds_of(data, [split for split in splits if split != "test"], job=job, folder=folder, count=count)
    for fold in folds:
        _train(fold)
        others = (
            [path for split in splits if split == "test" for path in data.images[split]] if fold is folds[0] else []
        )
        paths = [*fold.left_out, *others]
        found |= zip(paths, _predicted(fold, paths, data.fingerprint), strict=True)
    return {split: [found[path] for path in data.images[split]] for split in splits}


def folds_of(data: DataSet, splits: Sequence[str], *, job: Job, folder: Path, count: int) -> list[Fold]:
    """Return the folds of the images of splits; the same for the same data set, job and count."""
    paths = [*dict.fromkeys(path for split in splits or ("train", "val") for path in data.images[split])]
    if not LEAST <= count <= len(paths):
        raise StudyError(f"audit: folds: must be between {LEAST} and the {len(paths)} images, but got {count}")
    part = np.random.default_rng(SEED).permutation(len(paths)) % count
    facts = (data.fingerprint, splits, count, dict(job.params), dict(job.settings), job.model, job.epochs, job.seed)
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:DIGITS]
    folds = []
    for number in range(count):
        sides = {"train": part != number, "val": part == number}
        images = {
            side: tuple(path for path, mine in zip(paths, chosen, strict=True) if mine)
            for side, chosen in sides.items()
        }
        place = folder / f"fold{number + 1}of{count}-{key}"
        folds.append(Fold(_job(job, place), replace(data, images=images)))
    return folds


def _job(job: Job, place: Path) -> Job:
    """Return the job of a fold: it validates once, at its end, and shows no pictures."""
    return replace(
        job, folder=place, number=0, data="", split="val", validate_every=job.epochs, rungs=(), pictures_every=0,
        attempt=1,
    )  # fmt: skip


def _train(fold: Fold) -> None:
    """Train a fold unless that is done."""
    job, images = fold.job, fold.data.images
    if (job.folder / DONE).is_file() and (job.folder / BEST).is_file():
        return
    job.folder.mkdir(parents=True, exist_ok=True)
    staged = replace(job, data=str(staging.stage(fold.data, job.folder / DATA_FOLDER)))
    job_file.write(staged)
    LOG.info(f"{job.folder.name}: trains on {len(images['train'])} images for {job.epochs} epochs")
    ending = worker.run(staged, lambda measurement: LOG.debug(f"{job.folder.name}: epoch {measurement.epoch}"))
    if not ending.final:
        raise StudyError(f"audit: folds: {job.folder}: must be trained, but {ending.text}")
    score = ending.final.metrics.get(job.metric, 0.0)
    LOG.info(f"{job.folder.name}: {job.metric} {score:.3f} on the {len(images['val'])} images left out")
    if score < LEARNED:
        LOG.warning(f"{job.folder.name}: has learned little, so its part of the list says little; raise --epochs")
    files.write_text(job.folder / DONE, f"{score}\n")


def _predicted(fold: Fold, paths: Sequence[Path], fingerprint: str) -> Sequence[Detections]:
    """Return the detections of a fold's model, predicted at the first call."""
    weights = fold.job.folder / BEST
    split = f"left-{len(paths)}"
    kept = audit_cache.place(fold.job.folder, weights=files.sha256(weights), data=fingerprint, split=split)
    try:
        return audit_cache.read(kept, len(paths))
    except AutomlError as error:
        if kept.exists():
            LOG.info(f"{error}")
    job = replace(fold.job, data=str(fold.job.folder / DATA_FOLDER / "data.yaml"))
    found = list(trainer_of(job).detect(weights, job, paths))
    audit_cache.write(kept, found)
    return found
