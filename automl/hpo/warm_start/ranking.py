"""How good a trial was among those of its own study, whatever epoch each of them got to. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from statistics import NormalDist

from automl.hpo.warm_start.past_study import EarlierTrial


def scores(trials: Sequence[EarlierTrial]) -> list[float]:
    """Return the normal quantile of each trial's rank: mean 0, spread about 1, higher is better.

    A stopped trial is never compared by its low last value with the final value of another, but at the epoch to which
    both got, by the best so far (see `order`). Equal ones share their mean rank.
    """
    found = [0.0] * len(trials)
    below = 0
    for equals in order(trials):
        for index in equals:
            found[index] = NormalDist().inv_cdf((below + len(equals) / 2) / len(trials))
        below += len(equals)
    return found


def order(trials: Sequence[EarlierTrial]) -> list[list[int]]:
    """Return the trials' indices from the worst to the best, equal ones together.

    Those that got furthest are ordered by their best value. Then come those that got less far, the longer ones first:
    each goes in above as many of the ones before it as it was ahead of at its own last epoch.
    """
    standing: list[list[int]] = []
    for epoch in sorted({trial.epoch for trial in trials}, reverse=True):
        newcomers = [index for index, trial in enumerate(trials) if trial.epoch == epoch]
        standing = _merged(trials, standing, newcomers, epoch)
    return standing


def _merged(
    trials: Sequence[EarlierTrial], standing: list[list[int]], newcomers: list[int], epoch: int
) -> list[list[int]]:
    values = sorted(_value(trials[index], epoch) for equals in standing for index in equals)
    places: dict[tuple[float, float], list[int]] = {}
    end = 0
    for equals in standing:
        end += len(equals)
        places[end - 0.5, 0.0] = equals
    for index in newcomers:
        value = _value(trials[index], epoch)
        places.setdefault((float(bisect_left(values, value)), value), []).append(index)
    return [places[place] for place in sorted(places)]


def _value(trial: EarlierTrial, epoch: int) -> float:
    """Return the best so far; one that had none yet and went on all the same counts as ahead."""
    value = trial.best(epoch)
    return inf if value is None else value
