"""Limits of a search: what is spent, and whether a new trial can reach its first rung in what is left."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from automl.hpo.asha import Decision
from automl.storage.journal import Journal
from automl.study import Answer, Params, Trial
from automl.study.text import duration
from automl.trials.budget import Spending
from automl.trials.contract_watch import ContractWatch
from automl.trials.job_clock import Elapsed
from automl.trials.jobs import RunContext
from automl.trials.pace import Pace
from automl.trials.remaining import reserved
from automl.trials.retry import share_at

LOG: Final = logging.getLogger(__name__)


class Limits:
    """Budget and pace of one search."""

    def __init__(
        self, context: RunContext, journal: Journal, clock: Callable[[], float], elapsed: Callable[[], Elapsed] | None
    ) -> None:
        """Continue from the totals of earlier sessions; `elapsed` is the time of the whole job, if known."""
        self._context, self._elapsed = context, elapsed
        self._pace = Pace(clock)
        self.spending = Spending(journal, context.spec.budget, gpus=context.gpus, clock=clock)
        self.contract = ContractWatch(context.spec.agreed)
        self.late = False
        """Whether too little is left for the first rung of a new trial."""

    def elapsed(self) -> Elapsed:
        """Return the time of the whole job; of the search alone, if no other is known."""
        return (
            self._elapsed() if self._elapsed else Elapsed.of_search(self.spending.seconds(), self._context.concurrent)
        )

    def restore(self, trials: Sequence[Trial]) -> None:
        """Record the epochs of earlier sessions."""
        for trial in trials:
            self.contract.ended(trial)
            gpus = self._context.demand(trial.params).gpus
            if trial.measurements:
                self._pace.add(trial.params, trial.seconds, len(trial.measurements))
            for seconds, share in _by_share(trial, gpus):
                self.spending.trained(seconds, gpus=share)
        self.reserve(trials)

    def started(self, number: int) -> None:
        """Record that a trial was assigned to a worker."""
        self._pace.started(number)

    def measured(self, trial: Trial) -> None:
        """Record the last measurement of a trial."""
        last = trial.measurements[-1]
        self._pace.measured(trial.number, trial.params, last.seconds)
        gpus = share_at(self._context.demand(trial.params).gpus, trial.losses, last.epoch)
        self.spending.trained(last.seconds, gpus=gpus)

    def reserve(self, trials: Iterable[Trial]) -> None:
        """Reserve the time of the confirmation by the pace so far, where the whole study has a limit."""
        if self._context.spec.budget.total_hours is not None:
            start, places = self._pace.start, self._context.concurrent
            self.spending.reserve(reserved(self._context.spec, list(trials), places, start=start))
            if self._elapsed:
                self.spending.count_whole(self._elapsed().seconds)

    def change(self, context: RunContext, trials: Iterable[Trial]) -> None:
        """Use a changed budget."""
        self._context, self.late = context, False
        self.spending.renew(context.spec.budget)
        self.reserve(trials)

    def closed(self, aborted: str) -> bool:
        """Return True if no job may start: all trials are to end, or the study is `aborted` for a reason."""
        return bool(self.closing() or aborted)

    def closing(self) -> Decision | None:
        """Return the decision that ends every trial: a budget is spent, or the contract holds; None before."""
        if spent := self.spending.spent():
            return Decision(Answer.STOP, spent, self.spending.kind)
        return self.contract.closing("")

    def none_new(self, count: int) -> bool:
        """Return True if no new trial may start after `count` trials."""
        return self.late or count >= self._context.spec.budget.trials

    def admits(self, params: Params, running: Iterable[Trial]) -> bool:
        """Return True if a new trial can reach its first rung in what is left; log once that none can."""
        first = FirstRung(self._context.spec.ladder.first_rung, self._weight)
        why = refusal(self.spending, self._pace, params, running, first=first)
        if why and not self.late:
            LOG.info(why)
        self.late = bool(why)
        return not why

    def _weight(self, params: Params) -> float:
        """Return the GPUs of a trial over those of a usual one."""
        return (self._context.demand(params).gpus or 1.0) / (self._context.gpus or 1.0)


def _by_share(trial: Trial, gpus: float) -> Iterator[tuple[float, float]]:
    """Yield seconds of a trial's epochs and the GPUs with which they were trained; `gpus` was its first share."""
    if not trial.losses:
        yield trial.seconds, gpus
        return
    for measurement in trial.measurements:
        yield measurement.seconds, share_at(gpus, trial.losses, measurement.epoch)


@dataclass(frozen=True, slots=True)
class FirstRung:
    """The first rung, and what a trial uses on its way to it."""

    epoch: int
    weight: Callable[[Params], float] = lambda _params: 1.0
    """Returns the GPUs of a trial over those of a usual one."""


def refusal(spending: Spending, pace: Pace, params: Params, running: Iterable[Trial], *, first: FirstRung) -> str:
    """Return why a new trial of these params is not started, empty if it may be.

    Of GPU-hours, what the `running` trials still need to their first rung is taken off. Before the first epoch
    everything may start.
    """
    rung = first.epoch
    needed, epoch = pace.seconds(params, rung), pace.epoch(params)
    if needed is None or epoch is None:
        return ""
    if needed > (left := spending.seconds_left()):
        return _text(left, needed, rung, "of the time")
    promised = sum(
        max(rung - trial.epoch, 0) * (pace.epoch(trial.params) or 0.0) * first.weight(trial.params) for trial in running
    )
    own = first.weight(params)
    if epoch * rung * own > (left := max(spending.gpu_seconds_left() - promised, 0.0)):
        return _text(left / own, epoch * rung, rung, "of training in budget.gpu_hours")
    return ""


def _text(left: float, needed: float, rung: int, what: str) -> str:
    return (
        f"no new trial starts: {duration(left)} {what} is left, and a trial needs {duration(needed)} to epoch {rung}, "
        "its first rung"
    )
