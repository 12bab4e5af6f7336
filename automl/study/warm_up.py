"""Warm-up check of the ladder: trials must not be compared while their learning rate still rises.

Ultralytics 8.4.190 (`engine/trainer.py`, `_get_warmup_iterations`) warms up for `warmup_epochs`, at most all epochs but
the last, whatever the batch: there is no least number of iterations.
"""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, Final

from automl.study.ladder import WEIGHTS
from automl.study.space import Choice, Integer, Parameter, Real, SearchSpace, parts
from automl.study.spec import LadderSpec

SETTING: Final = "warmup_epochs"
TIMES: Final = 2
"""Minimum ratio of the first rung to the longest warm-up: half of what is compared is then regular training."""
TIMES_FINE_TUNED: Final = 1
"""The same for a model that starts from weights: ranks mean something from the end of the warm-up on (decision 41)."""


def longest(parameter: Parameter | None, fixed: float, *, max_epochs: int) -> float:
    """Return the longest warm-up, in epochs, that a trial may get; `fixed` is its value where it is not searched."""
    if parameter is None:
        most = fixed
    else:
        values = parameter.choices if isinstance(parameter, Choice) else (parameter.high,)
        conditional = any(part.when for part in parts(parameter))
        most = max(float(value) for value in (*values, *((fixed,) if conditional else ())))
    return min(most, max_epochs - 1.0)


def warnings(ladder: LadderSpec, space: SearchSpace, *, fixed: Mapping[str, Any], model: str) -> Iterator[str]:
    """Yield a warning with its remedy where trials are first compared too early after the longest warm-up.

    `fixed` are the settings of the study and, for the rest, the trainer's defaults; `model` is the study's.
    """
    times = TIMES_FINE_TUNED if model.endswith(WEIGHTS) else TIMES
    first, last, parameter = ladder.min_epochs, ladder.max_epochs, space.parameters.get(SETTING)
    warm = longest(parameter, float(fixed.get(SETTING, 0.0)), max_epochs=last)
    if not ladder.rungs or first >= times * warm:
        return
    needed, latest = ceil(times * warm), last // 2
    shorter = "a shorter warm-up: " + _shorter(parameter, warm=first / times)
    remedy = f"--set ladder.min_epochs={needed}, or {shorter}"
    if needed > latest:
        few = f"a rung is at epoch {latest} at the latest, half of ladder.max_epochs={last}"
        remedy = f"no min_epochs is large enough, since {few}: --set ladder.max_epochs={2 * needed}, or {shorter}"
    yield (
        f"ladder.min_epochs: should be at least {times} x the longest warm-up of a trial, {times} x {warm:g} epochs, "
        f"but got {first}: good params may be pruned before they learn; {remedy}"
    )


def _shorter(parameter: Parameter | None, *, warm: float) -> str:
    """Return the option to type so that no trial warms up for more than `warm` epochs."""
    if parameter is None:
        return f"--set train.{SETTING}={warm:g}"
    if any(part.when for part in parts(parameter)):
        return f"space.{SETTING} and train.{SETTING} of at most {warm:g}"
    if isinstance(parameter, Choice):
        return f"space.{SETTING} with choices of at most {warm:g}"
    lower = isinstance(parameter, Real | Integer) and parameter.default > warm
    return f"--set space.{SETTING}.high={warm:g}" + (f" --set space.{SETTING}.default={warm:g}" if lower else "")
