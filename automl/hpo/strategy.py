"""Search strategy (ask / tell): which params are tried, which trial advances. Stores no records, reads no clock.

The trial manager records its answers; a simulation in virtual time runs the same code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal

from automl.hpo.asha import KINDS, Decision, Scheduler
from automl.hpo.sampler import Prior, Sampler
from automl.hpo.selection import paused
from automl.study import Answer, EndReason, Params, ParamValue, PastEvidence, Trial, structure
from automl.study.baseline import Baseline
from automl.study.space import SearchSpace

BASELINE: Final = 0
"""The trial of the baseline, the reference of the study: the scheduler never stops it."""
LOSS: Final = "val/loss"


@dataclass(frozen=True, slots=True)
class StrategySettings:
    """Settings of sampler and scheduler."""

    space: SearchSpace
    metric: str
    """The metric that is maximised."""
    max_epochs: int
    rungs: tuple[int, ...]
    reduction_factor: int
    scheduler: Literal["promotion", "stopping"] = "promotion"
    seed: int = 0
    earlier: tuple[PastEvidence, ...] = ()
    baseline: Baseline | None = None
    """Params of trial 0; None: the default of the space."""
    allowed: tuple[Params, ...] = ()
    """Structures that no constraint excludes, the dearest first; empty: all."""
    costs: tuple[float, ...] = ()
    """The second objective of each of `allowed`, which is minimised; empty: the metric alone counts."""
    portfolio: tuple[Params, ...] = ()
    """Params of the space that are tried after the default."""
    lengths: Mapping[str, float] = field(default_factory=dict)
    """Length scales that are known from other data sets, as shares of a parameter's range (`hpo.length_scales`)."""


class Strategy:
    """Sampler and scheduler of one study; both receive the same events in the same order."""

    def __init__(self, settings: StrategySettings) -> None:
        """Start with an empty history."""
        self._settings = settings
        self._costs: dict[int, float] = {}
        self._scheduler: Scheduler = KINDS[settings.scheduler](
            settings.rungs, settings.reduction_factor, cost=self._costs.__getitem__ if settings.costs else None
        )
        self._sampler = Sampler(
            settings.space,
            seed=settings.seed,
            metric=settings.metric,
            max_epochs=settings.max_epochs,
            prior=Prior(
                settings.earlier,
                settings.baseline.params if settings.baseline else None,
                settings.allowed,
                settings.portfolio,
                settings.costs,
                settings.lengths,
            ),
        )

    @property
    def starts(self) -> int:
        """Return the number of first trials whose params are given: baseline, default and portfolio."""
        return self._sampler.starts

    def draw(self) -> tuple[dict[str, ParamValue], str]:
        """Return the next params and their origin; no state changes until the trial is added."""
        return self._sampler.draw()

    def add(self, trial: Trial) -> None:
        """Record a new trial, or one of an earlier session with its measurements."""
        self._sampler.add(trial)
        if self._settings.costs:
            self._costs[trial.number] = self._cost(trial.params)
        for rung in self._settings.rungs:
            there = trial.epoch > rung or (trial.epoch == rung and (trial.ending or self.pauses(trial)))
            if there and not trial.measurements[rung - 1].changed:
                score = self._score(trial, rung)
                self._scheduler.restore(trial.number, epoch=rung, score=score, advanced=trial.epoch > rung)
        if trial.ending:
            self._scheduler.drop(trial.number)

    def pauses(self, trial: Trial) -> bool:
        """Return True if a trial of an earlier session is paused at a rung."""
        return paused(trial, rungs=self._settings.rungs, scheduler=self._settings.scheduler)

    def advance_next(self) -> int | None:
        """Advance the next paused trial and return its number; None without one."""
        return self._scheduler.advance_next()

    def next_to_advance(self) -> int | None:
        """Return the paused trial that `advance_next` would advance."""
        return self._scheduler.next_to_advance()

    def can_advance(self) -> bool:
        """Return True if a paused trial may advance."""
        return self._scheduler.can_advance()

    def leader(self) -> int | None:
        """Return the best paused trial of the highest rung, None if none is paused."""
        return self._scheduler.leader()

    def advance_leader(self) -> int | None:
        """Advance the leader and return it; used if no trial completed."""
        return self._scheduler.advance_leader()

    def rank(self, number: int) -> str:
        """Return the rank of a trial at its highest rung, as text."""
        return self._scheduler.described(number)

    def measured(self, trial: Trial) -> None:
        """Record a trial's last measurement."""
        self._sampler.observe(trial)
        if trial.epoch in self._settings.rungs:
            self._sampler.invalidate()

    def judge(self, trial: Trial, *, epoch: int) -> Decision | None:
        """Decide on a trial at a measured epoch, None between rungs. Idempotent per trial and rung.

        A trial whose training conditions changed is excluded from the comparison at rungs, and stopped.
        """
        if epoch not in self._settings.rungs:
            return None
        if trial.changed:
            answer = Answer.CONTINUE if trial.number == BASELINE else Answer.STOP
            return Decision(answer, f"conditions changed: {trial.changed}", EndReason.CHANGED)
        value, loss = self._score(trial, epoch)
        decision = self._scheduler.judge(trial.number, epoch=epoch, value=value, loss=loss)
        if decision.answer is Answer.STOP and trial.number == BASELINE:
            return Decision(Answer.CONTINUE, f"{decision.reason}; the baseline is kept")
        return decision

    def ended(self, trial: Trial) -> None:
        """Record how a trial ended."""
        self._sampler.tell(trial)
        self._scheduler.drop(trial.number)

    def _cost(self, params: Params) -> float:
        """Return the second objective of params; the highest for those whose structure was not measured."""
        pairs = zip(self._settings.allowed, self._settings.costs, strict=True)
        return next((cost for one, cost in pairs if structure.has(params, one)), max(self._settings.costs))

    def _score(self, trial: Trial, epoch: int) -> tuple[float, float]:
        loss = trial.measurements[epoch - 1].metrics.get(LOSS, inf)
        return trial.best(self._settings.metric, until=epoch) or 0.0, loss
