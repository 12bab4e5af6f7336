"""Re-trainings of a confirmation: the jobs of a round, and the manager that runs them to their last epoch.

Every epoch and every loss is written to the journal first and to TensorBoard after, as for trials.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from automl.storage import curves_file, layout
from automl.storage.journal import Journal
from automl.storage.layout import CONFIRM
from automl.storage.outage import retry_on_outage
from automl.study import Answer, Ending, EndReason, Job, Loss, Measurement, Params, Score, Trial
from automl.study.spec_parts import ResourcesSpec
from automl.study.text import View
from automl.trials import checkpoints, lease, retry
from automl.trials.active import ActiveJobs
from automl.trials.listener import Listeners, LiveTable
from automl.trials.remaining import Confirmation

LOG: Final = logging.getLogger(__name__)

SEED_DISTANCE: Final = 1_000_000
"""Added to a study's seed, so that no confirming seed is one of a trial."""


def plan(
    pattern: Job, params: Mapping[str, Params], wanted: Mapping[str, Sequence[int]], *, before: int = 0
) -> dict[str, Job]:
    """Return the jobs of a round by name: trainings of each side's params, one per seed offset.

    `pattern` is a job in the study's folder with the split to judge on; equal offsets are equal seeds on all sides.
    Job numbers start after `before`. Each epoch is validated, whatever the trials did: these weights may ship, and
    validation chooses among their epochs.
    """
    jobs: dict[str, Job] = {}
    for offset, side in sorted((offset, side) for side, offsets in wanted.items() for offset in offsets):
        seed = pattern.seed + SEED_DISTANCE + offset
        name = named(side, offset, seed=pattern.seed)
        place, number = pattern.folder / CONFIRM / name, before + len(jobs)
        job = replace(pattern, folder=place, number=number, params=params[side], seed=seed)
        jobs[name] = replace(job, validate_every=1)
    return jobs


def named(side: str, offset: int, *, seed: int) -> str:
    """Return the name of a re-training in a study of this seed, in the journal and as a folder.

    >>> named("trial7", 2, seed=0)
    'trial7_seed1000002'
    """
    return f"{side}_seed{seed + SEED_DISTANCE + offset}"


def score(job: Job, ending: Ending) -> Score | None:
    """Return a re-training's score on the judged split; None if it failed."""
    if ending.final is None:
        return None
    metrics = ending.final.metrics
    # Earlier versions wrote every split's metrics as `val/...`.
    value = metrics[job.judged_metric if job.judged_metric in metrics else job.metric]
    return Score(seed=job.seed, value=value, metrics=metrics, weights=job.folder / layout.BEST)


def on_val(score: Score, *, metric: str) -> float:
    """Return the best value of a re-training on the validation split."""
    return max((m.metrics.get(metric, 0.0) for m in _curves(score.weights.parent)), default=0.0)


def _curves(folder: Path) -> tuple[Measurement, ...]:
    """Return the curves of a re-training; waits for an absent storage."""
    return retry_on_outage(folder, partial(curves_file.read_curves, folder))


@dataclass(slots=True)
class Retrainings:
    """A fixed list of jobs, each trained to its last epoch: one round of a confirmation."""

    jobs: deque[Job]
    names: dict[int, str]
    concurrent: int
    table: LiveTable
    resources: ResourcesSpec
    on_end: Callable[[Job, Ending], None]
    admit: Callable[[Job, Collection[Job]], bool] = lambda _job, _live: True
    """Frees quota for a job in addition to the running ones, and returns True if it fits."""
    stopping: bool = False
    canceled: frozenset[int] = frozenset()
    """None: re-trainings are not canceled one by one."""
    outlook: Confirmation | None = None
    journal: Journal | None = None
    """Journal of epochs and losses, also those of earlier sessions; None in a simulation."""
    listeners: Listeners = field(default_factory=Listeners)
    _all: dict[int, Job] = field(default_factory=dict)
    _live: ActiveJobs = field(init=False)
    _losses: dict[int, tuple[Loss, ...]] = field(default_factory=dict)
    _rows: dict[int, tuple[int, float]] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _trials: dict[int, Trial] = field(default_factory=dict)
    """The re-trainings as trials, for listeners."""

    def __post_init__(self) -> None:
        """Create the record of active jobs, empty."""
        self._live = ActiveJobs(self.resources, time.monotonic)

    @property
    def over(self) -> bool:
        """Return True if all have ended."""
        return not self.jobs and not self._live

    def next_job(self) -> Job | None:
        """Return the next job, None if all places are taken."""
        if len(self._live) >= self.concurrent or not self.jobs:
            return None
        if not self.admit(self.jobs[0], self._live.jobs):
            return None
        folder = self.jobs[0].folder
        if any(measurement.changed for measurement in _curves(folder)):
            retry_on_outage(folder, partial(checkpoints.start_over, folder))
        wanted = self.jobs.popleft()
        self._all[wanted.number] = wanted
        self._restore(wanted)
        job = self._live.start(wanted, self._losses[wanted.number])
        self.listeners.on_start(self._trials[job.number], job.folder)
        LOG.info(f"{self.names[job.number]} trains with seed {job.seed}")
        return replace(job, known=self._trials[job.number].epoch)

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:
        """Record an epoch; stop a training only if its conditions changed."""
        self._live.measured(number, measurement)
        self._recorded(number, measurement, node)
        if self.outlook:
            self.outlook.measured(measurement.seconds)
        if measurement.changed:
            self.ended(number, Ending(cause=measurement.changed, kind=EndReason.CHANGED))
            return Answer.STOP
        value = measurement.metrics.get(self._all[number].metric, 0.0)
        self._rows[number] = (measurement.epoch, max(value, self._rows.get(number, (0, 0.0))[1]))
        return Answer.CONTINUE

    def ended(self, number: int, ending: Ending) -> None:
        """Record an ending; idempotent. A possibly transient failure is handled as a lost worker."""
        self._live.release(number)
        if ending.again:
            self.lost(number, retry.loss_of(ending))
        elif number not in self._ended:
            self._ended.add(number)
            self.on_end(self._all[number], ending)
            if number in self._trials:
                self.listeners.on_end(replace(self._trials[number], ending=ending), ending)

    def lost(self, number: int, loss: Loss) -> None:
        """Queue a re-training again, unless its retry limits are spent."""
        self._live.release(number)
        if number in self._ended:
            return
        loss = replace(loss, epoch=self._rows.get(number, (0, 0.0))[0])
        losses = self._losses[number] = (*self._losses.get(number, ()), loss)
        if self.journal:
            self.journal.retraining_lost(self.names[number], losses)
        if number in self._trials:
            self._trials[number] = replace(self._trials[number], losses=losses)
            self.listeners.on_loss(self._trials[number])
        if ending := self._live.ending_after(losses, gpus=self._all[number].gpus):
            lease.acquire(self._all[number].folder)  # in case its process is still alive: it may no longer write
            self.ended(number, ending)
            return
        self.jobs.append(self._all[number])
        LOG.info(f"{self.names[number]} lost its worker and is retried: {loss.cause}")

    def _restore(self, job: Job) -> None:
        """Restore the losses and epochs of a re-training from the journal."""
        if job.number not in self._losses:
            self._losses[job.number] = self.journal.retraining_losses(self.names[job.number]) if self.journal else ()
        known = self.journal.retraining_measurements(self.names[job.number]) if self.journal else ()
        self._trials[job.number] = Trial(job.number, job.params, job.seed, known, losses=self._losses[job.number])
        if known and job.number not in self._rows:
            best = max(measurement.metrics.get(job.metric, 0.0) for measurement in known)
            self._rows[job.number] = (known[-1].epoch, best)

    def _recorded(self, number: int, measurement: Measurement, node: str) -> None:
        """Record an epoch unless it is known already: a resumed worker reports the last known one again."""
        trial = self._trials[number]
        if measurement in trial.measurements:
            return
        before = tuple(known for known in trial.measurements if known.epoch < measurement.epoch)
        self._trials[number] = replace(trial, measurements=(*before, measurement), node=node)
        if self.journal:
            self.journal.retraining_measured(self.names[number], measurement, node=node)
        self.listeners.on_measurement(self._trials[number])

    def hung(self) -> Mapping[int, str]:
        """Return which re-trainings hang, and why."""
        return self._live.hung()

    def report_wait(self, number: int, what: str) -> None:
        """Log why a re-training waits."""
        self._live.report_wait(number)
        LOG.info(f"{self.names[number]} {what}")

    def resize(self, places: int) -> None:
        """Use another number of places."""
        self.concurrent = places

    def stop(self, why: str) -> None:
        """Stop in an orderly way; a later session resumes."""
        self.stopping = True
        LOG.info(f"study stops: {why}; {len(self._live)} re-trainings continue when it is resumed")

    def tick(self) -> None:
        """Refresh the table."""
        self.table.show(self.view)

    def view(self) -> View:
        """Return the table of re-trainings."""
        rows = [
            [self.names[number], "RUNNING" if number in self._live else "ENDED", f"{epoch}/{self._all[number].epochs}",
             f"{value:.4f}"]
            for number, (epoch, value) in self._rows.items()
        ]  # fmt: skip
        running = {job.number: self._rows.get(job.number, (0, 0.0))[0] for job in self._live.jobs}
        title = self.outlook.title(running, queued=len(self.jobs)) if self.outlook else "confirming on fresh seeds"
        return View(title, ["training", "state", "epoch", "best on val"], rows)
