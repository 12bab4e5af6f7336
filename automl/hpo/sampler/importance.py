"""Parameter importance (PED-ANOVA), by Optuna."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import create_trial

from automl.study import Params, Trial

MOST: Final = 500
"""Trials that are compared; of more only every second, third … is used."""


def importances(
    trials: Sequence[Trial],
    *,
    metric: str,
    epoch: int,
    distributions: Callable[[Params], Mapping[str, BaseDistribution]],
) -> dict[str, float]:
    """Return the share of each parameter in the spread of results at one epoch, largest first.

    All trials are compared at the same epoch, so that a stopped trial's low value is not taken for a bad final value.
    PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255) treats each range of a parameter separately, and the trials
    without the parameter (arXiv:2601.20800). `distributions` returns those of some params.
    Empty with fewer than five trials at that epoch.
    """
    study = optuna.create_study(direction="maximize")
    there = [trial for trial in trials if trial.epoch >= epoch and not trial.outside]
    for trial in there[:: 1 + len(there) // MOST]:
        if (value := trial.best(metric, until=epoch)) is not None:
            held = dict(distributions(trial.params))
            study.add_trial(create_trial(value=value, params=dict(trial.params), distributions=held))
    if len(study.trials) < 5:
        return {}
    with _without_scikit_learn():
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Some regimes for parameter")  # shown as a hint only
            warnings.filterwarnings("error", message="Target and region quantiles select the same set")
            found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=0.3))
    except (RuntimeError, ValueError, UserWarning):  # too many equal values to rank them
        return {}
    total = sum(found.values())
    return {name: share / total for name, share in found.items()} if total > 0 else {}


@contextmanager
def _without_scikit_learn() -> Iterator[None]:
    """Keep Optuna's other evaluators from importing scikit-learn with scipy.stats and pandas (decision 90).

    These take 1.5 s of CPU. Optuna takes it for not installed, which it allows; PED-ANOVA needs none of it. A package
    whose entry in `sys.modules` is None cannot be imported.
    """
    modules: dict[str, Any] = sys.modules
    if "sklearn" in modules:
        yield
        return
    modules["sklearn"] = None
    try:
        yield
    finally:
        del modules["sklearn"]
