"""One training of `diagnosis.py`: from a case to a row of its table."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from automl.data import check, sample, staging
from automl.data.record import DataSet
from automl.storage.epoch_details import EpochDetails
from automl.study import Job, Measurement
from automl.study.errors import TrialError
from automl.study.yaml_io import read_yaml
from automl.trainers import yolo
from benchmarks import diagnosis_edits
from benchmarks.diagnosis_plan import LEARNED, MICRO, NANO, SAMPLE, SETTINGS, Case

Row = dict[str, Any]
MICRO_FILE: Final = Path(__file__).resolve().parents[1] / "search_spaces" / "models" / "micro.yaml"
METRIC: Final = "val/map50_95"
DIGITS: Final = 4
OTHER_IMAGES: Final = 1000
"""Seed of the images that the learned model saw."""
LEARNING: Final = {"images": 160, "epochs": 40}


@dataclass(slots=True)
class Seen:
    """The epochs of a training."""

    measurements: list[Measurement] = field(default_factory=list)
    details: list[EpochDetails] = field(default_factory=list)

    def on_epoch(self, measurement: Measurement, _weights: Path, _state: Path, details: EpochDetails) -> None:
        """Record an epoch."""
        self.measurements.append(measurement)
        self.details.append(details)


def row_of(case: Case, *, scratch: Path, data: Path | None, weights: Path | None) -> Row:
    """Train a case and return its row: all scalars by epoch, and how it ended.

    `scratch` keeps the learned model; `data` is the folder of the data sets, `weights` a pretrained model.
    """
    fault, place = case.fault, scratch / "case"
    shutil.rmtree(place, ignore_errors=True)
    model = {MICRO: MICRO_FILE, NANO: weights}.get(fault.start) or learned(scratch)
    checked = prepared(case, place, data)
    settings = {**SETTINGS, **fault.settings}
    job = job_of(place, checked.source, model=model, settings=settings, seed=case.seed, epochs=fault.epochs)
    seen, end = Seen(), ""
    try:
        train(job, seen, callbacks=diagnosis_edits.hooks(fault.hook))
    except TrialError as error:
        end = str(error)
    row = {
        "fault": fault.name, "strength": fault.strength, "seed": case.seed, "data": fault.data, "start": fault.start,
        "epochs": fault.epochs, "settings": settings, "end": end,
        "changed": next((m.changed for m in seen.measurements if m.changed), ""),
        "instances": {
            split: {checked.names[kind]: count for kind, count in counts.items()}
            for split, counts in checked.boxes.items()
        },
        "curves": columns([{**m.metrics, "time/seconds_per_epoch": m.seconds} for m in seen.measurements]),
        "details": columns([dict(details.scalars) for details in seen.details]),
    }  # fmt: skip
    shutil.rmtree(place, ignore_errors=True)
    return row


def prepared(case: Case, place: Path, data: Path | None) -> DataSet:
    """Return the checked and staged data set of a case: drawn and edited, or copied."""
    fault = case.fault
    if fault.data == SAMPLE:
        sizes = {"train": fault.images, "val": 48}
        source = sample.draw(place / "drawn", seed=case.seed, splits=sizes)
    elif data:
        shutil.copytree(data / fault.data, place / "drawn", copy_function=shutil.copyfile)
        source = place / "drawn" / "data.yaml"
        thin(source.parent, fault.images, seed=case.seed)
    diagnosis_edits.apply(fault.edit, source.parent, np.random.default_rng(case.seed))
    checked = check.check(source, read_yaml(source), splits=("train", "val"))
    staged = staging.stage(checked, place / "staged")
    return check.check(staged, read_yaml(staged), splits=("train", "val"))


def thin(root: Path, images: int, *, seed: int) -> None:
    """Keep so many images of a copied training split, drawn with a seed; 0: all."""
    paths = sorted((root / "images" / "train").glob("*"))
    kept = np.random.default_rng(seed).permutation(len(paths))[: images or len(paths)]
    for place in {*range(len(paths))} - {*kept.tolist()}:
        paths[place].unlink()
        (root / "labels" / "train" / f"{paths[place].stem}.txt").unlink(missing_ok=True)


def learned(scratch: Path) -> Path:
    """Return the micro model trained on images of the sample that no case has; made once."""
    path = scratch / f"{LEARNED}.pt"
    if not path.exists():
        place = scratch / "learning"
        shutil.rmtree(place, ignore_errors=True)
        source = sample.draw(place / "drawn", seed=OTHER_IMAGES, splits={"train": LEARNING["images"], "val": 48})
        staged = staging.stage(check.check(source, read_yaml(source), splits=("train", "val")), place / "staged")
        settings = {**SETTINGS, "lr0": 0.03, "close_mosaic": 10}
        job = job_of(place, staged, model=MICRO_FILE, settings=settings, seed=0, epochs=LEARNING["epochs"])
        seen = Seen()
        train(job, seen, validate_every=10)
        print(json.dumps({"learned": seen.measurements[-1].metrics, **seen.details[-1].scalars}), flush=True)
        shutil.copyfile(place / "training" / "weights" / "best.pt", path)
    return path


def job_of(  # noqa: PLR0913
    place: Path, data: Path, *, model: Path, settings: Mapping[str, Any], seed: int, epochs: int
) -> Job:
    """Return the job of a training."""
    return Job(
        folder=place / "job", number=0, params={}, seed=seed, epochs=epochs, model=str(model), data=str(data),
        metric=METRIC, settings=settings,
    )  # fmt: skip


def train(job: Job, seen: Seen, *, validate_every: int = 1, callbacks: Mapping[str, Any] | None = None) -> None:
    """Train a job beside its folder."""
    place = job.folder.parent / "training"
    (place / "weights").mkdir(parents=True)
    every = {**job.to_dict(), "validate_every": validate_every}
    yolo.train(Job.from_dict(every), place, state=None, on_epoch=seen.on_epoch, callbacks=callbacks or {})


def columns(rows: list[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """Return values by tag, with None where an epoch has none.

    >>> columns([{"a": 1.0}, {"a": 2.00001, "b": 3.0}])
    {'a': [1.0, 2.0], 'b': [None, 3.0]}
    """
    tags = dict.fromkeys(tag for row in rows for tag in row)
    return {tag: [None if (value := row.get(tag)) is None else short(value) for row in rows] for tag in tags}


def short(value: float) -> float:
    """Return a number with few digits."""
    return float(f"{value:.{DIGITS}g}")
