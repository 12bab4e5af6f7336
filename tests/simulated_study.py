"""A study in virtual time: tabulated learning curves through the real sampler, ladder, journal and board.

Stands where Ray stands: hands out jobs to a number of workers and passes their measurements on, in the order of a
clock that costs nothing.
"""

import heapq
import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rich.console import Console

from automl.storage.journal import Journal
from automl.study import Answer, Ending, Job, Measurement, ParamValue, Trial
from automl.study.spec import StudySpec
from automl.tracking import status
from automl.tracking.console import ROOT, Progress
from automl.tracking.tensorboard_writer import Board, BoardSettings
from automl.trials.jobs import RunContext
from automl.trials.listener import Listeners
from automl.trials.manager import TrialManager

Curve = Callable[[Job, int], float]
"""Job and epoch to the metric."""


class Clock:
    """A clock that the simulation sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def open_search(
    folder: Path, spec: StudySpec, *, workers: int = 1, gpus: float = 1.0, clock: Clock | None = None
) -> TrialManager:
    """Open a study as a session does, without data and without Ray."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress(folder / "study.log", console=Console(quiet=True))
    attach(progress)
    return TrialManager(
        context=RunContext(folder, spec, folder / "data.yaml", gpus=gpus, threads=1, concurrent=workers),
        journal=Journal.create(folder, name=spec.name, metric=spec.metric),
        listeners=Listeners((Board(folder, spec.search_space, BoardSettings(metric=spec.metric)),)),
        overview=status,
        table=progress,
        clock=clock or Clock(),
    ).restore()


def attach(progress: Progress) -> None:
    """Send all log lines to a study, and to none that was opened before."""
    for handler in [handler for handler in ROOT.handlers if isinstance(handler, Progress)]:
        ROOT.removeHandler(handler)
    ROOT.addHandler(progress)
    ROOT.setLevel("INFO")


class Source(Protocol):
    """What a simulation asks of a study; less than Ray's bridge does."""

    @property
    def trials(self) -> list[Trial]: ...
    @property
    def stopping(self) -> bool: ...
    def next_job(self) -> Job | None: ...
    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer: ...
    def ended(self, number: int, ending: Ending) -> None: ...


def simulate(
    source: Source, curve: Curve, *, clock: Clock, seconds: float = 10.0, until: Callable[[], bool] = lambda: False
) -> list[Job]:
    """Run all jobs of a source, an epoch of each lasting `seconds` on the clock; return the jobs handed out.

    A worker that goes on after a pause or an interruption repeats its known epochs first, as a real trial does. `until`
    ends the simulation at once, the way a killed driver ends.
    """
    events: list[tuple[float, int, int, Job]] = []
    handed: list[Job] = []
    known = {trial.number: trial.epoch for trial in source.trials}

    def told(job: Job, epoch: int) -> Answer:
        known[job.number] = max(epoch, known.get(job.number, 0))
        return source.measured(job.number, _measured(curve, job, epoch, seconds), node="node")

    def fill() -> None:
        while not source.stopping and (job := source.next_job()):
            handed.append(job)
            done = known.get(job.number, 0)
            if all(told(job, epoch) is Answer.CONTINUE for epoch in range(1, done + 1)):
                heapq.heappush(events, (clock.now + seconds, job.number, done + 1, job))

    fill()
    while events and not until() and not source.stopping:
        clock.now, number, epoch, job = heapq.heappop(events)
        goes_on = told(job, epoch) is Answer.CONTINUE
        if goes_on and epoch < job.epochs:
            heapq.heappush(events, (clock.now + seconds, number, epoch + 1, job))
        elif goes_on:
            source.ended(number, Ending(final=_measured(curve, job, epoch, seconds)))
        fill()
    _settle(source, killed=until())
    return handed


def saturating(job: Job, epoch: int) -> float:
    """A curve whose height depends on the learning rate (best at 0.03) and that is zero before epoch 2."""
    height = max(0.0, 0.8 - 0.25 * abs(math.log10(float(number(job.params["lr0"])) / 0.03)))
    return height * (1 - math.exp(-0.5 * (epoch - 1)))


def number(value: ParamValue) -> float:
    """Return a param that is a number."""
    assert isinstance(value, int | float)
    return value


def _settle(source: Source, *, killed: bool) -> None:
    """End what is paused for good, as a session does when its search is over."""
    if isinstance(source, TrialManager) and source.over and not killed:
        source.finish()


def _measured(curve: Curve, job: Job, epoch: int, seconds: float) -> Measurement:
    if not job.validates(epoch):
        return Measurement(epoch, {"train/box_loss": 1.0}, seconds)
    value = curve(job, epoch)
    return Measurement(epoch, {job.metric: value, "val/map50": value, "val/loss": 1.0 - value}, seconds)
