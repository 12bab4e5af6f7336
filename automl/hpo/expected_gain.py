"""Expected gain of a search's next hour, from the forecasts of its learning curves. Pure.

Monte Carlo: unfinished trials, the best forecast first, are trained to the end as far as the time reaches; new trials
take the rest, each at the expected cost of a trial on the ladder. A final value is drawn from its forecast (a normal
with another width below and above the median), that of a new trial from the forecast of a trial drawn from the study.
The gain is how far the best of them is above the best value so far; Adriaensen et al. 2022 and Lee et al. 2024 (CFBO,
arXiv:2405.17918) stop by such a forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Final

import numpy as np

from automl.hpo.learning_curves import Forecast, forecast, of_fine_tuning
from automl.study import State, Trial

HOUR: Final = 3600.0
CEILING: Final = 1.0
"""The highest possible value of an objective."""
DRAWS: Final = 1000
TENTH: Final = 1.2816
"""Upper tenth of a standard normal: the ends of an 80% interval."""
LEAST_TRIALS: Final = 5
"""Trials with a value before there is an expectation."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a study searches."""

    places: int
    """Trials that run at a time."""
    epochs: int
    """Of a whole training."""
    trial_epochs: float
    """Expected cost of a new trial on the ladder."""
    fine_tuned: bool
    """Whether models start from weights, for which forecasts are calibrated."""


@dataclass(frozen=True, slots=True)
class Gain:
    """Mean and standard deviation of the gain, in the unit of the objective."""

    mean: float
    deviation: float

    def __str__(self) -> str:
        """Return the gain as text.

        >>> str(Gain(0.00213, 0.0042))
        '+0.002 ± 0.004'
        """
        return f"+{self.mean:.3f} ± {self.deviation:.3f}"


def next_hour(trials: Sequence[Trial], *, metric: str, rate: Rate, seconds: float = HOUR) -> Gain | None:
    """Return the expected gain of the next `seconds` of a search; None before LEAST_TRIALS trials have a value."""
    shown = [trial for trial in trials if trial.best(metric) is not None and trial.state is not State.FAILED]
    spent = sum(trial.seconds for trial in shown)
    if len(shown) < LEAST_TRIALS or not spent or not rate.places:
        return None
    finals = _drawn(_forecasts(shown, metric, rate), np.random.default_rng(len(shown)))
    left = seconds * rate.places * sum(trial.epoch for trial in shown) / spent
    coming, left = _unfinished(shown, finals, left, epochs=rate.epochs)
    new = np.random.default_rng(0).integers(len(shown), size=(_whole(left / rate.trial_epochs, len(trials)), DRAWS))
    best = max(trial.best(metric) or 0.0 for trial in shown)
    reached = np.vstack([np.full((1, DRAWS), best), finals[coming], finals[new, _columns(len(new))]]).max(axis=0)
    return Gain(float((reached - best).mean()), float((reached - best).std()))


def _forecasts(trials: Sequence[Trial], metric: str, rate: Rate) -> list[Forecast]:
    curves = [[m.metrics.get(metric, nan) for m in trial.measurements] for trial in trials]
    found = forecast(curves, rate.epochs, ceiling=CEILING)
    if not rate.fine_tuned:
        return found
    return [of_fine_tuning(one, best=trial.best(metric) or 0.0) for trial, one in zip(trials, found, strict=True)]


def _drawn(found: Sequence[Forecast], generator: np.random.Generator) -> np.ndarray:
    """Return (trials, DRAWS) final values."""
    low, middle, high = (np.array([getattr(one, end) for one in found])[:, None] for end in ("low", "final", "high"))
    normal = generator.standard_normal((len(found), DRAWS)) / TENTH
    values = middle + np.where(normal > 0, high - middle, middle - low) * normal
    return np.asarray(np.clip(values, np.minimum(low, middle), CEILING))


def _unfinished(trials: Sequence[Trial], finals: np.ndarray, left: float, *, epochs: int) -> tuple[list[int], float]:
    """Return the unfinished trials that can be trained to the end in the epochs left, and what is then left."""
    chosen = []
    open_ones = [index for index, trial in enumerate(trials) if trial.ending is None]
    for index in sorted(open_ones, key=lambda index: -float(np.quantile(finals[index], 0.75))):
        needed = epochs - trials[index].epoch
        if needed > left:
            break
        chosen.append(index)
        left -= needed
    return chosen, left


def _whole(count: float, known: int) -> int:
    """Return a whole number of new trials, at most ten times as many as are known."""
    return int(min(count, 10 * known)) if isfinite(count) else 0


def _columns(rows: int) -> np.ndarray:
    return np.random.default_rng(1).integers(DRAWS, size=(rows, DRAWS))
