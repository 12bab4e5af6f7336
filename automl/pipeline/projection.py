"""Projection of a trial's validation objects for TensorBoard's projector, on demand."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from automl.storage import job_file
from automl.storage.layout import BEST, DATA, DATA_YAML, trial_folder
from automl.study import Job, Trial
from automl.study.errors import StudyError
from automl.tracking import projector
from automl.tracking.projector import Projection
from automl.trainers import trainer_of

POINTS: Final = 1000
"""Default number of points: the projector's t-SNE and its thumbnails stay fluent in a browser."""
MOST_POINTS: Final = 10_000
"""The projector itself computes t-SNE and UMAP of at most 5,000 points, and shows 10,000 with thumbnails."""
SPLIT: Final = "val"


def project(study: Path, model: str, trials: list[Trial], *, number: int, points: int = POINTS) -> Projection:
    """Write the features of up to `points` labelled objects of the validation set into the folder of a trial.

    The network is that of the trial's best epoch so far.

    Raises:
        StudyError: there is no such trial, it has no weights, or the data set has no box in `val`.
        TrialError: the weights cannot be used.
    """
    if not 2 <= points <= MOST_POINTS:
        raise StudyError(f"--points: must be 2 to {MOST_POINTS}, but got {points}")
    if not 0 <= number < len(trials):
        raise StudyError(f"{study}: trial must be 0 to {len(trials) - 1}, but got {number}")
    folders = [trial_folder(study, trial, model) for trial in trials]
    if not (folders[number] / BEST).is_file():
        raise StudyError(f"{folders[number] / BEST}: must be the weights of trial {number}, but {_why(folders)}")
    job = _job(study, folders[number])
    trainer = trainer_of(job)
    trainer.set_threads(job.threads)
    found = trainer.object_features(folders[number] / BEST, job, split=SPLIT, most=points)
    if len(found.vectors) < 2:
        raise StudyError(f"{job.data}: {SPLIT} must have two labelled boxes, but has {found.total}; nothing is written")
    return projector.write(folders[number], found, title=f"objects of {SPLIT}, trial {number}")


def _job(study: Path, folder: Path) -> Job:
    """Return the job of a trial on this machine: where the study is now, on a GPU only if there is one."""
    job = job_file.read(folder)
    gpus = job.gpus if job.gpus and trainer_of(job).has_cuda() else 0.0
    staged = study / DATA / DATA_YAML
    data = str(staged) if staged.is_file() else job.data
    return replace(job, folder=folder, data=data, gpus=gpus, threads=len(os.sched_getaffinity(0)))


def _why(folders: list[Path]) -> str:
    """Return why there are no weights, and which trials have them."""
    there = [str(number) for number, folder in enumerate(folders) if (folder / BEST).is_file()]
    has = f"trials with weights: {', '.join(there)}" if there else "no trial has weights yet"
    return f"it has none: it validated no epoch, or `retention` deleted them; {has}"
