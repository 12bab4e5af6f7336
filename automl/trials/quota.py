"""Storage quota of a study: sizes of its folders, and eviction of weights near `retention.quota_gb`.

Sizes are measured folder by folder: that of a trial after each of its epochs, all others once a session. They are the
bytes of the files, without what a file system adds to each.
"""

import logging
import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from automl.storage.checkpoint_files import KEPT, OURS, Merit, give_up, merit
from automl.storage.layout import BEST, CONFIRM, TRIALS
from automl.study import Ending, Job, Trial
from automl.study.errors import StudyError
from automl.study.text import GB, amount
from automl.trials.jobs import Frame

LOG: Final = logging.getLogger(__name__)

REPORT_SECONDS: Final = 60.0
NAMED: Final = 8
"""So many trials are named in a line; of the others there is a number."""
MARGIN: Final = 2
"""A trial may come to hold so many times what the largest so far did, where its forecast allows as much: optimizers
differ, and a young trial has no second checkpoint yet."""


@dataclass(slots=True)
class QuotaKeeper:
    """Keeps the weights of the best trials that ended, and the folder below its quota, if it has one."""

    frame: Frame
    clock: Callable[[], float]
    needs: Mapping[str, int] = field(default_factory=dict)
    """Model to the bytes that a trial of it is forecast to hold at most."""
    _kept: dict[int, tuple[Merit, Job]] = field(default_factory=dict)
    _whole: dict[int, tuple[Merit, Job]] = field(default_factory=dict)
    """Further trials that were trained to the end: their best weights stay until the verdict, since they may ship."""
    _held: dict[Path, int] = field(default_factory=dict)
    _weights: dict[Path, int] = field(default_factory=dict)
    _most: dict[str, int] = field(default_factory=dict)
    _base: int = 0
    _given: list[int] = field(default_factory=list)
    _freed: int = 0
    _reported: float = 0.0
    _waiting: bool = False

    @property
    def quota(self) -> int:
        """Return the most bytes that the study's folder may hold, 0 where there is no limit."""
        return round((self.frame.spec.retention.quota_gb or 0) * GB)

    def restore(self, trials: Iterable[tuple[Trial, Job]]) -> Self:
        """Measure the folder, record an earlier session's trials, and finish its deletions."""
        self._reported = self.clock()
        if self.quota:
            held = (CONFIRM, TRIALS)
            parts = [path for path in self.frame.folder.iterdir() if path.name not in held and path.is_dir()]
            self._base = sum(map(_walked, parts))
            self._held = {path: _walked(path) for part in held for path in (self.frame.folder / part).glob("*")}
        for trial, job in trials:
            if trial.ending:
                self.ended(trial, job)
            else:
                self.looked(job)
        if self.quota:
            LOG.info(f"retention: {amount(self.used())} of {amount(self.quota)} are in use")
        self.report(now=True)
        return self

    def looked(self, job: Job) -> None:
        """Measure what a job holds, and learn from it what others will."""
        if not self.quota:
            return
        sizes = _sizes(job.folder)
        weights = {name: size for name, size in sizes.items() if OURS.fullmatch(name)}
        self._held[job.folder], self._weights[job.folder] = sum(sizes.values()), sum(weights.values())
        if weights.keys() >= KEPT:  # a checkpoint that is being written comes on top
            model, most = model_of(job), self._held[job.folder] + max(weights.values())
            self._most[model] = max(self._most.get(model, 0), most)

    def ended(self, trial: Trial, job: Job) -> None:
        """Let a trial that has ended keep its weights while it is among the best of these.

        One that was trained to the end keeps its best weights until the verdict as far as the quota allows.
        """
        self.looked(job)
        rank = merit(trial, self.frame.spec.metric)
        if rank is None:
            self._give_up(trial.number, job)
        else:
            give_up(job.folder, keep=KEPT)
            self.looked(job)
            self._kept[trial.number] = rank, job
            self._thin(self.frame.spec.retention.keep)
        self.report()

    def retrained(self, job: Job, ending: Ending) -> None:
        """Let a re-training that came to its end keep only its best weights, which may ship; a failed one goes on."""
        if ending.final:
            give_up(job.folder, keep={BEST})
        self.looked(job)

    def used(self) -> int:
        """Return the bytes in the study's folder."""
        return self._base + sum(_sizes(self.frame.folder).values()) + sum(self._held.values())

    def reachable(self, coming: Job | None, live: Collection[Job], others: Iterable[Job] = ()) -> bool:
        """Return True if a job would have room once all ended trials but the best, and `others`, gave up weights."""
        if not self.quota:
            return True
        ended = sorted(self._kept.values(), key=lambda kept: kept[0])[:-1]
        whole = [job for _, job in self._whole.values()]
        spare = sum(self._weights.get(job.folder, 0) for job in (*(job for _, job in ended), *whole, *others))
        return self.used() + self._wanted(coming, live) - spare <= self.quota

    def shortage(self, coming: Job | None, live: Collection[Job]) -> str:
        """Return why the quota has no room for a job beside the live ones, empty where it has; None is a new trial."""
        if not self.quota or (used := self.used()) + (wanted := self._wanted(coming, live)) <= self.quota:
            return ""
        return (
            f"storage quota: {amount(used)} in use, {len(live)} running and the next one may need "
            f"{amount(wanted)} more, and retention.quota_gb is {self.frame.spec.retention.quota_gb:g}"
        )

    def make_room(self, coming: Job | None, live: Collection[Job], others: Iterable[Job] = ()) -> str:
        """Delete weights of ended trials, down to the best one, until a job has room; return the remaining shortage.

        Nothing is deleted if the job would not have room even with `others`, which the caller may end after.
        """
        possible = self.reachable(coming, live, others)
        while short := self.shortage(coming, live):
            if not (possible and (self._thin(len(self._kept) - 1) or self._forgo())):
                return short
        self._waiting = False
        return ""

    def admit(self, coming: Job | None, live: Collection[Job]) -> bool:
        """Make room for a job, and return True if it may start now; if not, the running ones will free some.

        Raises:
            StudyError: none runs, so nothing will be freed.
        """
        short = self.make_room(coming, live)
        if short and not live:
            raise StudyError(
                f"{self.frame.folder}: {short}; nothing runs and nothing more can be given up: set retention.quota_gb "
                "higher in the study's study.yaml, or by --set, and resume"
            )
        if short and not self._waiting:
            self._waiting = True
            LOG.info(f"no job starts until one that runs makes room: {short}")
        return not short

    def report(self, *, now: bool = False) -> None:
        """Log, at most once a minute unless `now`, which trials gave up their weights."""
        if self._given and (now or self.clock() - self._reported >= REPORT_SECONDS):
            named = ", ".join(map(str, self._given[:NAMED]))
            more = f" and {len(self._given) - NAMED} more" if len(self._given) > NAMED else ""
            trials = "trial" if len(self._given) == 1 else "trials"
            LOG.info(f"retention: {trials} {named}{more} gave up weights, {amount(self._freed)}")
            self._given, self._freed, self._reported = [], 0, self.clock()

    def _thin(self, most: int) -> bool:
        """Let the worst of those that ended give up their weights until `most` keep them; the best one always does."""
        thinned = False
        while len(self._kept) > max(1, most):
            worst = min(self._kept, key=lambda number: self._kept[number][0])
            rank, job = self._kept.pop(worst)
            trained_whole = rank[0]
            if trained_whole:
                self._whole[worst] = rank, job
            self._give_up(worst, job, keep={BEST} if trained_whole else ())
            thinned = True
        return thinned

    def _forgo(self) -> bool:
        """Let the worst of the further trials that were trained to the end give up what might have shipped."""
        if not self._whole:
            return False
        worst = min(self._whole, key=lambda number: self._whole[number][0])
        self._give_up(worst, self._whole.pop(worst)[1])
        return True

    def _give_up(self, number: int, job: Job, *, keep: Collection[str] = ()) -> None:
        if freed := give_up(job.folder, keep=keep):
            self._given.append(number)
            self._freed += freed
        self.looked(job)

    def _wanted(self, coming: Job | None, live: Collection[Job]) -> int:
        """Return what a job that may start, and those that run, may yet need."""
        need = self._growth(coming) if coming else max(map(self._need, {*self.needs, *self._most}), default=0)
        return need + sum(map(self._growth, live))

    def _growth(self, job: Job) -> int:
        return max(0, self._need(model_of(job)) - self._held.get(job.folder, 0))

    def _need(self, model: str) -> int:
        """Return what a trial of a model holds at most, a checkpoint that is being written included."""
        most, forecast = self._most.get(model, 0), self.needs.get(model, 0)
        return max(most, min(forecast, MARGIN * most)) if most else forecast


def restored(frame: Frame, trials: Iterable[Trial], *, needs: Mapping[str, int]) -> QuotaKeeper:
    """Return the keeper of a study whose search is over."""
    keeper = QuotaKeeper(frame, time.monotonic, needs)
    if keeper.quota:
        keeper.restore(
            (trial, frame.job(frame.folder_of(trial), number=trial.number, params=trial.params, seed=trial.seed))
            for trial in trials
        )
    return keeper


def worst_first(paused: Iterable[Trial], metric: str) -> list[Trial]:
    """Return paused trials in the order in which they end when there is no room.

    The lowest rung goes first, for the least was spent on it, and on a rung the lowest value.
    """
    return sorted(paused, key=lambda trial: (trial.epoch, trial.best(metric) or 0.0, -trial.number))


def model_of(job: Job) -> str:
    """Return the model that a job trains."""
    return str(job.params.get("model", job.model))


def _sizes(folder: Path) -> dict[str, int]:
    """Return the files that stand in a folder, without those below, and their bytes; links are not followed."""
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
    """Return what a file is, None for one that went just now: checkpoints are replaced all the time."""
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _walked(folder: Path) -> int:
    return sum(sum(_sizes(Path(root)).values()) for root, _, _ in os.walk(folder))
