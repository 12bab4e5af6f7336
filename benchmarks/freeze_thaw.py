"""Freeze-thaw search: who goes on is decided by expected improvement per second, in place of ranks at rungs.

Whenever a worker is free, each paused trial is worth the expected improvement of its forecast final value over the
best value so far, for each second that it needs to its end; a new trial is worth the mean of that improvement over the
trials of the study, for each second that a trial costs on the ladder. The most valuable runs to its next rung, where it
is judged again (Swersky et al. 2014, arXiv:1406.3896, with the project's forecasts and
sampler). Not in the product: benchmarks/README.md tells how it compares.
"""

from math import isfinite
from typing import Final

import numpy as np
from scipy.stats import norm

from automl.hpo.expected_gain import TENTH
from automl.hpo.learning_curves import Forecast, forecast, of_fine_tuning
from automl.study import Answer, Ending, Measurement, Params, Trial
from automl.study.ladder import cost
from benchmarks.ours import METRIC, REDUCTION, Ours, Start
from benchmarks.tables import Task

QUANTILES: Final = norm.ppf((np.arange(40) + 0.5) / 40)
"""Equally likely values of a standard normal variable."""
FEWEST: Final = 4
"""Trials at a first rung before one of them goes on."""


class FreezeThaw(Ours):
    """The project's sampler with another decision."""

    def __init__(self, task: Task, *, seed: int, start: Start, calibrated: bool = True) -> None:
        super().__init__(task, seed=seed, start=start)
        self._epochs, self._calibrated = task.max_epochs, calibrated
        price = cost(100, self.rungs, max_epochs=self._epochs, reduction_factor=REDUCTION, retrainings=0)
        self._new_epochs = price.expected / price.trials
        self._paused: set[int] = set()

    def next(self) -> tuple[int, Params] | None:
        """Return the paused trial that is worth most per second, or new params."""
        number = self._chosen()
        if number is None:
            return super().next()
        self._paused.discard(number)
        return number, self.trials[number].params

    def measured(self, number: int, *, epoch: int, value: float, seconds: float) -> Answer:
        """Pause at a rung, unless this trial is worth most."""
        self.record(number, Measurement(epoch, {METRIC: value}, seconds))
        if epoch not in self.rungs:
            return Answer.CONTINUE
        self._paused.add(number)
        if self._chosen() != number:
            return Answer.PAUSE
        self._paused.discard(number)
        return Answer.CONTINUE

    def ended(self, number: int) -> None:
        """Record that a trial has reached its last epoch."""
        self._end(number, Ending(final=self.trials[number].measurements[-1]))

    def _chosen(self) -> int | None:
        shown = [trial for trial in self.trials.values() if trial.measurements]
        if len(shown) < FEWEST or not self._paused:
            return None
        best = max(trial.best(METRIC) or 0.0 for trial in shown)
        worth = {trial.number: improvement(found, over=best) for trial, found in self._forecasts(shown)}
        paused = {number: worth[number] / self._left(self.trials[number]) for number in self._paused}
        seconds = float(np.mean([trial.seconds / trial.epoch for trial in shown])) * self._new_epochs
        new = float(np.mean(list(worth.values()))) / seconds
        number = max(paused, key=lambda one: paused[one])
        return number if paused[number] > new else None

    def _left(self, trial: Trial) -> float:
        return (self._epochs - trial.epoch) * trial.seconds / trial.epoch

    def _forecasts(self, shown: list[Trial]) -> list[tuple[Trial, Forecast]]:
        curves = [[one.metrics[METRIC] for one in trial.measurements] for trial in shown]
        found = forecast(curves, self._epochs, ceiling=1.0)
        if self._calibrated:
            found = [
                of_fine_tuning(one, best=max(curve)) if isfinite(one.final) else one
                for one, curve in zip(found, curves, strict=True)
            ]
        return list(zip(shown, found, strict=True))


def improvement(found: Forecast, *, over: float) -> float:
    """Return the expected improvement of a forecast over a value; a normal of another width on each side.

    >>> improvement(Forecast(0.5, 0.5, 0.5), over=0.4)
    0.1
    """
    width = np.where(QUANTILES > 0, found.high - found.final, found.final - found.low) / TENTH
    return round(float(np.maximum(found.final + width * QUANTILES - over, 0).mean()), 12)
