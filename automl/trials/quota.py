"""Storage quota of a study: folder sizes, and eviction of weights near `retention.quota_gb`.

Sizes are measured per folder: that of a trial after each of its epochs, all others once per session. They are file
sizes in bytes, without file system overhead.
"""

import logging
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Self

from automl.storage.checkpoint_files import KEPT, OURS, Merit, delete_weights, merit
from automl.storage.layout import BEST, CONFIRM, TRIALS
from automl.storage.outage import retry_on_outage
from automl.study import Ending, Job, Trial
from automl.study.errors import StudyError
from automl.study.text import GB, amount
from automl.trials.jobs import RunContext

LOG: Final = logging.getLogger(__name__)

REPORT_SECONDS: Final = 60.0
NAMED: Final = 8
"""Trials named in a log line; further ones are counted."""
MARGIN: Final = 2
"""Safety factor on the largest trial so far, up to the forecast size: optimizers differ, and a young trial has no
second checkpoint yet."""


@dataclass(slots=True)
class QuotaManager:
    """Retention: keeps the weights of the best ended trials, and the folder below its quota, if any."""

    context: RunContext
    clock: Callable[[], float]
    needs: Mapping[str, int] = field(default_factory=dict)
    """Maps a model to the most bytes forecast for a trial of it."""
    _kept: dict[int, tuple[Merit, Job]] = field(default_factory=dict)
    _completed: dict[int, tuple[Merit, Job]] = field(default_factory=dict)
    """Further completed trials: their best weights are kept until the verdict, since they may ship."""
    _folder_sizes: dict[Path, int] = field(default_factory=dict)
    _weights: dict[Path, int] = field(default_factory=dict)
    _most: dict[str, int] = field(default_factory=dict)
    _base: int = 0
    _evicted: list[int] = field(default_factory=list)
    _freed: int = 0
    _reported: float = 0.0
    _waiting: bool = False

    @property
    def quota(self) -> int:
        """Return the quota in bytes, 0 if there is none."""
        return round((self.context.spec.retention.quota_gb or 0) * GB)

    def restore(self, trials: Iterable[tuple[Trial, Job]]) -> Self:
        """Measure the folder, restore the trials of earlier sessions, and finish their deletions."""
        self._reported = self.clock()
        if self.quota:
            held = (CONFIRM, TRIALS)
            parts = [path for path in self.context.folder.iterdir() if path.name not in held and path.is_dir()]
            self._base = sum(map(_walked, parts))
            self._folder_sizes = {
                path: _walked(path) for part in held for path in (self.context.folder / part).glob("*")
            }
        for trial, job in trials:
            if trial.ending:
                self.ended(trial, job)
            else:
                self.measure(job)
        if self.quota:
            LOG.info(f"retention: {amount(self.used())} of {amount(self.quota)} are in use")
        self.report(now=True)
        return self

    def measure(self, job: Job) -> None:
        """Measure the folder of a job, and update the expected size of others."""
        if not self.quota:
            return
        sizes = _sizes(job.folder)
        weights = {name: size for name, size in sizes.items() if OURS.fullmatch(name)}
        self._folder_sizes[job.folder], self._weights[job.folder] = sum(sizes.values()), sum(weights.values())
        if weights.keys() >= KEPT:  # plus a checkpoint that is being written
            model, most = model_of(job), self._folder_sizes[job.folder] + max(weights.values())
            self._most[model] = max(self._most.get(model, 0), most)

    def ended(self, trial: Trial, job: Job) -> None:
        """Keep the weights of an ended trial while it is among the best, else delete them.

        A completed trial keeps its best weights until the verdict as far as the quota allows.
        """
        self.measure(job)
        rank = merit(trial, self.context.spec.metric)
        if rank is None:
            self._delete_weights(trial.number, job)
        else:
            delete_weights(job.folder, keep=KEPT)
            self.measure(job)
            self._kept[trial.number] = rank, job
            self._evict_down_to(self.context.spec.retention.keep)
        self.report()

    def retrained(self, job: Job, ending: Ending) -> None:
        """Delete all but the best weights of a completed re-training; a failed one keeps all, to resume."""
        if ending.final:
            delete_weights(job.folder, keep={BEST})
        self.measure(job)

    def used(self) -> int:
        """Return the size of the study's folder in bytes."""
        return self._base + sum(_sizes(self.context.folder).values()) + sum(self._folder_sizes.values())

    def reachable(self, coming: Job | None, live: Collection[Job], others: Iterable[Job] = ()) -> bool:
        """Return True if a job would fit after deleting the weights of `others` and all ended trials but the best."""
        if not self.quota:
            return True
        ended = sorted(self._kept.values(), key=lambda kept: kept[0])[:-1]
        whole = [job for _, job in self._completed.values()]
        spare = sum(self._weights.get(job.folder, 0) for job in (*(job for _, job in ended), *whole, *others))
        return self.used() + self._wanted(coming, live) - spare <= self.quota

    def shortage(self, coming: Job | None, live: Collection[Job]) -> str:
        """Return why a job does not fit in the quota with the live ones, empty if it does; None is a new trial."""
        if not self.quota or (used := self.used()) + (wanted := self._wanted(coming, live)) <= self.quota:
            return ""
        return (
            f"storage quota: {amount(used)} in use, {len(live)} running and the next one may need "
            f"{amount(wanted)} more, and retention.quota_gb is {self.context.spec.retention.quota_gb:g}"
        )

    def make_room(self, coming: Job | None, live: Collection[Job], others: Iterable[Job] = ()) -> str:
        """Delete weights of ended trials, down to the best one, until a job fits; return the remaining shortage.

        Nothing is deleted if the job would not fit even without `others`, which the caller may end afterwards.
        """
        possible = self.reachable(coming, live, others)
        while short := self.shortage(coming, live):
            if not (possible and (self._evict_down_to(len(self._kept) - 1) or self._evict_completed())):
                return short
        self._waiting = False
        return ""

    def evicted(
        self, coming: Job | None, live: Collection[Job], queue: Sequence[tuple[Trial, Job]]
    ) -> Iterator[tuple[Trial, str]]:
        """Yield the trials of a queue that must end to make room for a job, and why; the caller ends each at once."""
        jobs = [job for _, job in queue]
        for trial, _ in queue if self.reachable(coming, live, jobs) else ():
            if short := self.make_room(coming, live, jobs):
                yield trial, short

    def admit(self, coming: Job | None, live: Collection[Job]) -> bool:
        """Free quota for a job, and return True if it may start now; if not, running jobs will free some.

        Raises:
            StudyError: no job runs, so nothing will be freed.
        """
        short = self.make_room(coming, live)
        if short and not live:
            raise StudyError(
                f"{self.context.folder}: {short}; nothing runs and nothing more can be deleted: set retention.quota_gb "
                "higher in the study's study.yaml, or by --set, and resume"
            )
        if short and not self._waiting:
            self._waiting = True
            LOG.info(f"no job starts until a running one frees space: {short}")
        return not short

    def report(self, *, now: bool = False) -> None:
        """Log, at most once a minute unless `now`, of which trials the weights were deleted."""
        if self._evicted and (now or self.clock() - self._reported >= REPORT_SECONDS):
            named = ", ".join(map(str, self._evicted[:NAMED]))
            more = f" and {len(self._evicted) - NAMED} more" if len(self._evicted) > NAMED else ""
            trials = "trial" if len(self._evicted) == 1 else "trials"
            LOG.info(f"retention: {trials} {named}{more}: weights deleted, {amount(self._freed)}")
            self._evicted, self._freed, self._reported = [], 0, self.clock()

    def _evict_down_to(self, most: int) -> bool:
        """Delete the weights of the worst ended trials until `most` keep theirs; the best one always does."""
        evicted_any = False
        while len(self._kept) > max(1, most):
            worst = min(self._kept, key=lambda number: self._kept[number][0])
            rank, job = self._kept.pop(worst)
            completed = rank[0]
            if completed:
                self._completed[worst] = rank, job
            self._delete_weights(worst, job, keep={BEST} if completed else ())
            evicted_any = True
        return evicted_any

    def _evict_completed(self) -> bool:
        """Delete the best weights of the worst of the further completed trials."""
        if not self._completed:
            return False
        worst = min(self._completed, key=lambda number: self._completed[number][0])
        self._delete_weights(worst, self._completed.pop(worst)[1])
        return True

    def _delete_weights(self, number: int, job: Job, *, keep: Collection[str] = ()) -> None:
        if freed := delete_weights(job.folder, keep=keep):
            self._evicted.append(number)
            self._freed += freed
        self.measure(job)

    def _wanted(self, coming: Job | None, live: Collection[Job]) -> int:
        """Return the bytes that a job to start, and the running ones, may still add."""
        need = self._growth(coming) if coming else max(map(self._need, {*self.needs, *self._most}), default=0)
        return need + sum(map(self._growth, live))

    def _growth(self, job: Job) -> int:
        return max(0, self._need(model_of(job)) - self._folder_sizes.get(job.folder, 0))

    def _need(self, model: str) -> int:
        """Return the most bytes of a trial of a model, a checkpoint being written included."""
        most, forecast = self._most.get(model, 0), self.needs.get(model, 0)
        return max(most, min(forecast, MARGIN * most)) if most else forecast


def restored(context: RunContext, trials: Iterable[Trial], *, needs: Mapping[str, int]) -> QuotaManager:
    """Return the manager of a study whose search is over."""
    manager = QuotaManager(context, time.monotonic, needs)
    if manager.quota:
        manager.restore(
            (trial, context.job(context.folder_of(trial), number=trial.number, params=trial.params, seed=trial.seed))
            for trial in trials
        )
    return manager


def worst_first(paused: Iterable[Trial], metric: str) -> list[Trial]:
    """Return paused trials in the order of eviction.

    The lowest rung first, since the least was spent on it; within a rung the lowest value first.
    """
    return sorted(paused, key=lambda trial: (trial.epoch, trial.best(metric) or 0.0, -trial.number))


def model_of(job: Job) -> str:
    """Return the model that a job trains."""
    return str(job.params.get("model", job.model))


def _sizes(folder: Path) -> dict[str, int]:
    """Return the files directly in a folder and their bytes; links are not followed. Waits for an absent storage."""
    return retry_on_outage(folder, partial(_listed_sizes, folder))


def _listed_sizes(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                status = _status(entry)
                if status and not stat.S_ISDIR(status.st_mode):
                    found[entry.name] = status.st_size
    except FileNotFoundError:
        pass
    return found


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return a file's status, None if it was deleted meanwhile: checkpoints are replaced all the time."""
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _walked(folder: Path) -> int:
    return sum(sum(_sizes(Path(root)).values()) for root, _, _ in os.walk(folder))
