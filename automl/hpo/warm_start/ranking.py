"""Rank the trials of a past study that stopped at different epochs. Pure."""

from bisect import bisect_left
from collections.abc import Sequence
from math import inf
from statistics import NormalDist

from automl.hpo.warm_start.past_study import PastTrial


def scores(trials: Sequence[PastTrial]) -> list[float]:
    """Return the normal quantile of each trial's rank: mean 0, spread about 1, higher is better.

    A stopped trial's low last value is never compared with a final value: two trials are compared at the last epoch
    that both reached, by the best so far (see `order`). Ties share their mean rank.
    """
    found = [0.0] * len(trials)
    below = 0
    for equals in order(trials):
        for index in equals:
            found[index] = NormalDist().inv_cdf((below + len(equals) / 2) / len(trials))
        below += len(equals)
    return found


def order(trials: Sequence[PastTrial]) -> list[list[int]]:
    """Return the trials' indices from the worst to the best, ties together.

    The longest trials are ordered by their best value. Shorter ones are then inserted, longest first: each above as
    many of the trials already ordered as it was better than at its own last epoch.
    """
    ranked: list[list[int]] = []
    for epoch in sorted({trial.epoch for trial in trials}, reverse=True):
        newcomers = [index for index, trial in enumerate(trials) if trial.epoch == epoch]
        ranked = _merged(trials, ranked, newcomers, epoch)
    return ranked


def _merged(trials: Sequence[PastTrial], ranked: list[list[int]], newcomers: list[int], epoch: int) -> list[list[int]]:
    values = sorted(_value(trials[index], epoch) for equals in ranked for index in equals)
    places: dict[tuple[float, float], list[int]] = {}
    end = 0
    for equals in ranked:
        end += len(equals)
        places[end - 0.5, 0.0] = equals
    for index in newcomers:
        value = _value(trials[index], epoch)
        places.setdefault((float(bisect_left(values, value)), value), []).append(index)
    return [places[place] for place in sorted(places)]


def _value(trial: PastTrial, epoch: int) -> float:
    """Return the best so far; a trial that had none yet but continued counts as better."""
    value = trial.best(epoch)
    return inf if value is None else value
