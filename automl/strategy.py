"""Decides which params are tried, which trial goes on, what a trial is told at a rung. Keeps no records, no time.

`study` asks it and writes down what it answers; a benchmark in virtual time drives the very same code.
"""

from dataclasses import dataclass
from math import inf
from typing import Final, Literal

from automl.records import Answer, EarlierEvidence, ParamValue, State, Trial
from automl.sampler import Sampler
from automl.scheduler import KINDS, Scheduler, Verdict
from automl.space import SearchSpace

DEFAULT: Final = 0
"""The trial of the default params: the yardstick of the study, so stopping never ends it."""
LOSS: Final = "val/loss"
PAUSED: Final = "PAUSED"
"""What a running trial is called that stands at a rung until it may go on."""


@dataclass(frozen=True, slots=True)
class Course:
    """What a search is about."""

    space: SearchSpace
    metric: str
    """The tag that is maximised."""
    max_epochs: int
    rungs: tuple[int, ...]
    reduction_factor: int
    scheduler: Literal["promotion", "stopping"] = "promotion"
    seed: int = 0
    earlier: tuple[EarlierEvidence, ...] = ()


def paused(trial: Trial, *, rungs: tuple[int, ...], scheduler: str) -> bool:
    """Tell from its record alone whether a trial stands at a rung until it may go on.

    One that has just been let go on looks the same until its next epoch.
    """
    return scheduler == "promotion" and trial.state is State.RUNNING and trial.epoch in rungs


class Strategy:
    """Sampler and scheduler of one study, told the same facts in the same order."""

    def __init__(self, course: Course) -> None:
        """Start with an empty history."""
        self._course = course
        self._scheduler: Scheduler = KINDS[course.scheduler](course.rungs, course.reduction_factor)
        self._sampler = Sampler(
            course.space, seed=course.seed, metric=course.metric, max_epochs=course.max_epochs, earlier=course.earlier
        )

    def draw(self) -> tuple[dict[str, ParamValue], str]:
        """Return the next params and where they come from; nothing is remembered until the trial is added."""
        return self._sampler.draw()

    def add(self, trial: Trial) -> None:
        """Take in a trial that begins, or one of an earlier session as it stands."""
        self._sampler.add(trial)
        for rung in self._course.rungs:
            if trial.epoch > rung or (trial.epoch == rung and (trial.ending or self.pauses(trial))):
                standing = self._standing(trial, rung)
                self._scheduler.restore(trial.number, epoch=rung, standing=standing, advanced=trial.epoch > rung)
        if trial.ending:
            self._scheduler.drop(trial.number)

    def pauses(self, trial: Trial) -> bool:
        """Tell whether a trial of an earlier session stands at a rung until it may go on."""
        return paused(trial, rungs=self._course.rungs, scheduler=self._course.scheduler)

    def resumes(self) -> int | None:
        """Return the paused trial that goes on now; None while none may."""
        return self._scheduler.next()

    def upcoming(self) -> int | None:
        """Return the paused trial that `resumes` would let go on now."""
        return self._scheduler.upcoming()

    def waits(self) -> bool:
        """Tell whether a paused trial may go on."""
        return self._scheduler.waits()

    def lead(self) -> int | None:
        """Return the paused trial that got furthest, which goes on because no trial completed."""
        return self._scheduler.lead()

    def measured(self, trial: Trial) -> None:
        """Take in a trial's last measurement."""
        self._sampler.observe(trial)
        if trial.epoch in self._course.rungs:
            self._sampler.settle()

    def judge(self, trial: Trial, *, epoch: int) -> Verdict | None:
        """Judge a trial at an epoch that it has measured, None between rungs; asked again, the answer is the same."""
        if epoch not in self._course.rungs:
            return None
        value, loss = self._standing(trial, epoch)
        verdict = self._scheduler.judge(trial.number, epoch=epoch, value=value, loss=loss)
        if verdict.answer is Answer.STOP and trial.number == DEFAULT:
            return Verdict(Answer.GO_ON, verdict.reason)
        return verdict

    def ended(self, trial: Trial) -> None:
        """Take in how a trial ended."""
        self._sampler.tell(trial)
        self._scheduler.drop(trial.number)

    def _standing(self, trial: Trial, epoch: int) -> tuple[float, float]:
        return trial.best(self._course.metric, until=epoch) or 0.0, trial.measurements[epoch - 1].metrics.get(LOSS, inf)
