"""Time estimate of a study: a few batches timed on this machine, times the expected epochs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, inf
from pathlib import Path
from typing import Final, Self

from automl import cluster
from automl.data import staging
from automl.data.record import DataSet
from automl.storage import scratch
from automl.study import Job
from automl.study.errors import AutomlError
from automl.study.ladder import seats
from automl.study.spec import LadderSpec, StudySpec
from automl.study.text import duration
from automl.trainers import Timing, chosen, trainer_of
from automl.trials import gpu_probe
from automl.trials.remaining import waves

COSTLY: Final = ("model", "imgsz", "batch", "multi_scale")
"""Parameters that change the time of a batch; if searched, the estimate is for their defaults."""

MOST_COPIES: Final = 4
"""Trainings timed together at most: each takes the memory of a trial."""


@dataclass(frozen=True, slots=True)
class Part:
    """Trials that train side by side from one epoch to another."""

    trials: int
    first: int
    last: int


def bounds(trials: int, ladder: LadderSpec) -> tuple[list[Part], list[Part]]:
    """Return the shortest and the longest course of a search: all but one trial end at the first rung, or none does."""
    ends = list(pairwise((0, *ladder.rungs, ladder.max_epochs)))
    shortest = [Part(trials if first == 0 else 1, first, last) for first, last in ends]
    return shortest, [Part(trials, first, last) for first, last in ends]


def parts(trials: int, ladder: LadderSpec) -> list[Part]:
    """Return the expected course of a search: at each rung one in `reduction_factor` advances."""
    found = []
    for first, last in pairwise((0, *ladder.rungs, ladder.max_epochs)):
        found.append(Part(trials, first, last))
        trials = seats(trials, ladder.reduction_factor)
    return found


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated seconds of a study on one machine, from the time of a few batches."""

    spec: StudySpec
    timing: Timing
    images: dict[str, int]
    """Maps a split to its number of images."""
    places: int
    """Trainings at a time."""

    @property
    def epoch(self) -> float:
        """Return the seconds of an epoch without its validation."""
        images = self.images["train"] * float(self.spec.train.get("fraction", 1.0))
        return ceil(images / self.timing.batch) * self.timing.train_batch + self.timing.epoch

    def validation(self, split: str) -> float:
        """Return the seconds of a validation."""
        return ceil(self.images[split] / self.timing.val_images) * self.timing.val_batch

    @property
    def whole(self) -> float:
        """Return the seconds of a re-training: every epoch is validated, and the end is judged on the other split."""
        epochs = self.spec.ladder.max_epochs * (self.epoch + self.validation("val"))
        return self.timing.start + epochs + self.validation(self.spec.confirm.split)

    def search(self, job: Job, course: Sequence[Part] | None = None) -> float:
        """Return the seconds of a search, the expected one by default, without time limits; at least one whole trial's.

        A trial that resumes after a pause pays its start time again. One that completes is evaluated once more.
        """
        seconds, longest = 0.0, 0.0
        for part in parts(self.spec.budget.trials, self.spec.ladder) if course is None else course:
            validated = sum(job.validates(epoch) for epoch in range(part.first + 1, part.last + 1))
            starts = part.first == 0 or self.spec.ladder.scheduler == "promotion"
            one = (part.last - part.first) * self.epoch + validated * self.validation("val")
            one += starts * self.timing.start + (part.last == self.spec.ladder.max_epochs) * self.validation("val")
            seconds += part.trials * one
            longest += one
        return max(seconds / min(self.places, self.spec.budget.trials), longest)

    def confirm(self) -> tuple[float, float, float]:
        """Return the seconds of the fewest, of the usual number and of the most re-trainings."""
        (fewest, most), usual = self.spec.retrainings, self.spec.expected_retrainings
        least, expected, longest = (waves(count, self.places) * self.whole for count in (fewest, usual, most))
        return least, expected, longest


@dataclass(frozen=True, slots=True)
class TimeForecast:
    """Time forecast of a study on this machine, without export; or why it could not be measured."""

    problem: str = ""
    """Why nothing could be measured; all other fields then have their defaults."""
    search_seconds: float = 0.0
    """Of the search, up to `budget.hours` and `budget.total_hours`."""
    whole_search_seconds: float = 0.0
    """Of the search without time limits."""
    confirm_seconds: tuple[float, float] = (0.0, 0.0)
    """Of the fewest and of the most re-trainings."""
    confirm_expected: float = 0.0
    """Of the re-trainings, on average."""
    places: int = 0
    """Trainings at a time."""
    copies: int = 0
    """Trainings that were timed together."""
    device: str = ""
    timing: Timing | None = None
    """The measured times."""
    least_seconds: float = 0.0
    """Of search and the fewest re-trainings, if every trial but one ends at the first rung."""
    most_seconds: float = 0.0
    """Of search and the most re-trainings, if no trial is pruned."""
    varied: tuple[str, ...] = ()
    """Searched parameters that change the time of a batch: measured with their defaults."""
    trials: int = 0
    """Trials of the search without time limits."""

    @classmethod
    def of(cls, estimate: Estimate, job: Job, *, copies: int) -> Self:
        """Derive the hours from an estimate; `job` defines which epochs are validated."""
        spec, whole = estimate.spec, estimate.search(job)
        hours, total = spec.budget.hours, spec.budget.total_hours
        limit = min((value * 3600 for value in (hours, total) if value is not None), default=inf)
        shortest, longest = (estimate.search(job, course) for course in bounds(spec.budget.trials, spec.ladder))
        fewest, expected, most = estimate.confirm()
        return cls(
            search_seconds=min(whole, limit),
            least_seconds=min(shortest, limit) + fewest,
            most_seconds=min(min(longest, limit) + most, inf if total is None else max(total * 3600, fewest)),
            whole_search_seconds=whole,
            confirm_seconds=(fewest, most),
            confirm_expected=expected,
            places=estimate.places,
            copies=copies,
            device=_device(job.gpus),
            timing=estimate.timing,
            varied=tuple(name for name in COSTLY if name in spec.space),
            trials=spec.budget.trials,
        )

    @property
    def seconds(self) -> tuple[float, float]:
        """Return the seconds of search and confirmation, at best and at worst."""
        low, high = self.confirm_seconds
        return self.search_seconds + low, self.search_seconds + high

    def plan(self) -> str:
        """Return the least, the expected and the most time in one line; empty if nothing was measured."""
        if self.timing is None:
            return ""
        seconds = (self.least_seconds, self.search_seconds + self.confirm_expected, self.most_seconds)
        least, expected, most = map(duration, seconds)
        return f"plan: at least {least}, expected {expected}, at most {most} of search and confirmation"

    def summary(self) -> str:
        """Return the forecast in one line."""
        timing = self.timing
        if timing is None:
            return f"time: could not be measured on this machine: {self.problem}"
        limit = ""
        if self.search_seconds < self.whole_search_seconds:
            fit = int(self.trials * self.search_seconds / self.whole_search_seconds)
            limit = (
                f", where its limit of time ends it with about {fit} of {self.trials} trials; all would take "
                f"{duration(self.whole_search_seconds)}"
            )
        places = f"{self.places} trial{'s' if self.places > 1 else ''} at a time"
        where = f"{self.device}{f', {self.copies} at a time' if self.copies > 1 else ''}"
        only = f" with the default {', '.join(self.varied)}; other values take other times" if self.varied else ""
        return (
            f"time: about {span(*self.seconds)} on this machine (search {duration(self.search_seconds)}"
            f"{limit}, confirm {span(*self.confirm_seconds)}; export not included): {places}, "
            f"start {timing.start:.2g} s, {timing.train_batch:.2g} s a training batch of {timing.batch}, "
            f"{timing.val_batch:.2g} s a validation batch of {timing.val_images}, measured on {where}{only}"
        )


def forecast(spec: StudySpec, data: DataSet) -> TimeForecast:
    """Return the time forecast of a study on this machine, or why it could not be measured.

    Nothing is written into the user's folders: the images are linked into a temporary folder.
    """
    try:
        shape = (float(os.cpu_count() or 1), float(trainer_of().gpu_count()))
        wanted = spec.resources
        slots = cluster.slots_of([shape], gpus=wanted.gpus, cpus=wanted.cpus, concurrent=wanted.concurrent)
        with scratch.folder() as folder:
            job = _job(spec, slots, folder)
            few = gpu_probe.few_batches(data, job)
            staged = str(staging.stage(few, folder / "data"))
            copies = side_by_side(slots)
            timing = trainer_of(job).measure(replace(job, data=staged, validate_every=1), copies=copies)
    except (AutomlError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        return TimeForecast(problem=f"{type(error).__name__}: {reason}")
    images = {split: len(found) for split, found in data.images.items()}
    return TimeForecast.of(Estimate(spec, timing, images, slots.concurrent), job, copies=copies)


def _device(gpus: float) -> str:
    """Return what a timed training runs on, as text."""
    if gpus > 1:
        return f"one of {gpus:g} GPUs with its share of a batch, without the exchange between them"
    return "a GPU" if gpus else "cpu"


def side_by_side(slots: cluster.Slots) -> int:
    """Return how many trainings to time together: those that share a GPU, else those that share the machine's cores.

    >>> side_by_side(cluster.Slots(gpus=0.5, cpus=4, concurrent=8)), side_by_side(cluster.Slots(0, 1, 2))
    (2, 2)
    """
    sharing = int(1 / min(slots.gpus, 1)) if slots.gpus else slots.concurrent
    return max(1, min(sharing, slots.concurrent, MOST_COPIES))


def _job(spec: StudySpec, slots: cluster.Slots, folder: Path) -> Job:
    """Return a job of the default params, without a data set."""
    return Job(
        folder=folder,
        number=0,
        params=spec.search_space.defaults(),
        seed=spec.seed,
        epochs=spec.ladder.max_epochs,
        model=spec.model,
        data="",
        metric=spec.metric,
        settings=spec.train,
        gpus=slots.gpus,
        threads=max(1, int(slots.cpus)),
        validate_every=spec.ladder.validate_every,
        rungs=spec.ladder.rungs,
        trainer=chosen(),
    )


def span(low: float, high: float) -> str:
    """Return two times as text; one if they are the same.

    >>> span(60, 60), span(60, 120)
    ('1m00s', '1m00s to 2m00s')
    """
    one, other = duration(low), duration(high)
    return one if one == other else f"{one} to {other}"
