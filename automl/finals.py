"""Confirms a winner: it and the default are trained again on fresh seeds and judged on a split no trial saw.

Pure but for the folders it names; the study hands the jobs to the cluster and the scores come back as records.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import inf, sqrt
from statistics import mean, variance
from typing import Final

from scipy.stats import t

from automl import durable, trial
from automl.progress import Progress, View
from automl.records import Answer, Ending, Gain, Job, Measurement, Params, Score
from automl.spec import dump_yaml

FOLDER: Final = "confirm"
CHALLENGER: Final = "challenger"
DEFAULT: Final = "default"
SEED_DISTANCE: Final = 1_000_000
"""Added to a study's seed, so that no confirming seed was one of a trial."""


def plan(pattern: Job, *, challenger: Params, default: Params, seeds: int) -> dict[str, Job]:
    """Return name to job: `seeds` trainings of both params, or of the default alone when it won.

    `pattern` is a job in the study's folder with the split to judge on; both params meet the same seeds. Each epoch is
    validated, whatever the trials did: these are the weights that may ship, and validation chooses among their epochs.
    """
    sides = {DEFAULT: default} if dict(challenger) == dict(default) else {CHALLENGER: challenger, DEFAULT: default}
    jobs: dict[str, Job] = {}
    for offset in range(seeds):
        for side, params in sides.items():
            seed = pattern.seed + SEED_DISTANCE + offset
            name = f"{side}_seed{seed}"
            place = pattern.folder / FOLDER / name
            job = replace(pattern, folder=place, number=len(jobs), params=params, seed=seed)
            jobs[name] = replace(job, validate_every=1)
    return jobs


def score(job: Job, ending: Ending) -> Score | None:
    """Return what a re-training reached on the judged split; None if it failed."""
    if ending.final is None:
        return None
    metrics = ending.final.metrics
    return Score(seed=job.seed, value=metrics[job.metric], metrics=metrics, weights=job.folder / trial.BEST)


def gain(challenger: Sequence[Score], default: Sequence[Score], *, confidence: float) -> Gain:
    """Return the difference of the means and its one-sided lower bound (Welch's t; unequal variances).

    With fewer than two scores on a side there is no bound: it is minus infinity.
    """
    ours, theirs = [s.value for s in challenger], [s.value for s in default]
    difference = mean(ours) - mean(theirs) if ours and theirs else 0.0
    low = difference - _margin(ours, theirs, confidence) if min(len(ours), len(theirs)) >= 2 else -inf
    return Gain(difference, low, confidence, tuple(challenger), tuple(default))


def _margin(ours: Sequence[float], theirs: Sequence[float], confidence: float) -> float:
    """Return how far the true difference may lie below the one found (Welch 1947)."""
    parts = [(variance(side) / len(side), len(side) - 1) for side in (ours, theirs)]
    spread = sum(part for part, _ in parts)
    if not spread:
        return 0.0
    freedom = spread**2 / sum(part**2 / free for part, free in parts)
    return float(t.ppf(confidence, freedom)) * sqrt(spread)


def shipped(scores: Sequence[Score], *, metric: str) -> Score:
    """Return the re-training whose weights go out: the best on the validation split, never on the judged one."""

    def on_val(score: Score) -> float:
        curves = trial.read_curves(score.weights.parent)
        return max((measurement.metrics.get(metric, 0.0) for measurement in curves), default=0.0)

    return max(scores, key=on_val)


@dataclass(slots=True)
class Retrainings:
    """A fixed list of jobs, each trained to its last epoch: the confirmation of a winner."""

    jobs: deque[Job]
    names: dict[int, str]
    concurrent: int
    progress: Progress
    on_end: Callable[[Job, Ending], None]
    stopping: bool = False
    _all: dict[int, Job] = field(default_factory=dict)
    _live: set[int] = field(default_factory=set)
    _rows: dict[int, tuple[int, float]] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)

    @property
    def over(self) -> bool:
        """Tell whether all have been handed out."""
        return not self.jobs

    def next_job(self) -> Job | None:
        """Return the next one, None while all places are taken."""
        if len(self._live) >= self.concurrent or not self.jobs:
            return None
        job = self.jobs.popleft()
        job.folder.mkdir(parents=True, exist_ok=True)
        durable.write_text(job.folder / trial.PARAMS, dump_yaml(job.to_dict()))
        self._all[job.number] = job
        self._live.add(job.number)
        self.progress.event(f"{self.names[job.number]} trains with seed {job.seed}")
        return job

    def measured(self, number: int, measurement: Measurement, *, node: str) -> Answer:  # noqa: ARG002
        """Note the epoch; nothing is stopped here."""
        value = measurement.metrics.get(self._all[number].metric, 0.0)
        self._rows[number] = (measurement.epoch, max(value, self._rows.get(number, (0, 0.0))[1]))
        return Answer.GO_ON

    def ended(self, number: int, ending: Ending) -> None:
        """Hand the ending on, once."""
        self._live.discard(number)
        if number not in self._ended:
            self._ended.add(number)
            self.on_end(self._all[number], ending)

    def retried(self, number: int, cause: str) -> None:
        """Say that it goes on from its checkpoint."""
        self.progress.event(f"{self.names[number]} goes on from its checkpoint: {cause}")

    def stop(self, why: str) -> None:
        """Stop; a later session goes on."""
        self.stopping = True
        self.progress.event(f"study stops: {why}; {len(self._live)} re-trainings go on when it is resumed")

    def tick(self) -> None:
        """Refresh the table."""
        self.progress.show(self.view)

    def view(self) -> View:
        """Return the table of re-trainings."""
        rows = [
            [self.names[number], "RUNNING" if number in self._live else "ENDED", f"{epoch}/{self._all[number].epochs}",
             f"{value:.4f}"]
            for number, (epoch, value) in self._rows.items()
        ]  # fmt: skip
        return View("confirming on fresh seeds", ["training", "state", "epoch", "best on val"], rows)
