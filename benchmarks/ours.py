"""The project's own search as a strategy in virtual time, driven as `automl.trials.manager` drives it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from automl.hpo.strategy import Strategy, StrategySettings
from automl.study import Answer, Ending, Measurement, Params, PastEvidence, Trial
from automl.study.ladder import ladder
from benchmarks.tables import Task

METRIC: Final = "val/value"
FIRST_RUNG: Final = 2
REDUCTION: Final = 3
Kind = Literal["promotion", "stopping"]


@dataclass(frozen=True, slots=True)
class Start:
    """What a study begins with."""

    first_rung: int = FIRST_RUNG
    portfolio: tuple[Params, ...] = ()
    allowed: tuple[Params, ...] = ()
    costs: tuple[float, ...] = ()
    """The second objective of each of `allowed`."""
    lengths: Mapping[str, float] = field(default_factory=dict)
    """Length scales that are known from other data sets."""


class Ours:
    """Sampler and scheduler of the project."""

    def __init__(
        self,
        task: Task,
        *,
        seed: int,
        scheduler: Kind = "promotion",
        earlier: tuple[PastEvidence, ...] = (),
        start: Start = Start(),
    ) -> None:
        """Start with an empty history."""
        self.trials: dict[int, Trial] = {}
        self.rungs = ladder(start.first_rung, task.max_epochs, REDUCTION)
        self._strategy = Strategy(
            StrategySettings(
                space=task.space,
                metric=METRIC,
                max_epochs=task.max_epochs,
                rungs=self.rungs,
                reduction_factor=REDUCTION,
                scheduler=scheduler,
                seed=seed,
                earlier=earlier,
                allowed=start.allowed,
                costs=start.costs,
                portfolio=start.portfolio,
                lengths=start.lengths,
            )
        )

    def next(self) -> tuple[int, Params] | None:
        """Let a paused trial go on, else draw new params."""
        number = self._strategy.advance_next()
        if number is not None:
            return number, self.trials[number].params
        params, _ = self._strategy.draw()
        return len(self.trials), params

    def told(self, number: int, params: Params) -> None:
        """Take in the params that a new trial is trained with."""
        self.trials[number] = Trial(number=number, params=params, seed=0)
        self._strategy.add(self.trials[number])

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        """Ask the strategy."""
        trial = self.record(number, Measurement(epoch, {METRIC: value}, seconds))
        verdict = self._strategy.judge(trial, epoch=epoch)
        if verdict and verdict.answer is Answer.STOP:
            self._end(number, Ending(pruned=verdict.reason))
        return verdict.answer if verdict else Answer.CONTINUE

    def record(self, number: int, measurement: Measurement) -> Trial:
        """Add a measurement to a trial, and return it."""
        trial = self.trials[number]
        trial = self.trials[number] = replace(trial, measurements=(*trial.measurements, measurement))
        self._strategy.measured(trial)
        return trial

    def ended(self, number: int) -> None:
        """Take in that a trial has reached its last epoch."""
        self._end(number, Ending(final=self.trials[number].measurements[-1]))

    def _end(self, number: int, ending: Ending) -> None:
        trial = self.trials[number] = replace(self.trials[number], ending=ending)
        self._strategy.ended(trial)
