"""Which parameters made the difference: compared at an epoch that all reached, and never made up."""

import subprocess
import sys
from functools import partial

import pytest

from automl.hpo.sampler import importances
from automl.storage.journal import distributions
from automl.study import Params, Trial
from tests.builders import METRIC, completed, mixed_space, pruned, rates_space

DISTRIBUTIONS = partial(distributions, mixed_space())


def test_the_parameter_that_decides_is_the_most_important() -> None:
    trials = []
    for number in range(40):
        params: Params = {"optimizer": "AdamW", "lr0": 0.1 * (number + 1) / 41, "batch": 4 + number * 17 % 40}
        trials.append(completed(number, [number / 40] * 6, params=params))
    found = importances(trials, metric=METRIC, epoch=2, distributions=DISTRIBUTIONS)
    assert next(iter(found)) == "lr0"
    assert sum(found.values()) == pytest.approx(1.0)


def test_importance_counts_stopped_trials_at_the_epoch_they_share() -> None:
    params: list[Params] = [{"optimizer": "AdamW", "lr0": 0.002 * (number + 1), "batch": 8} for number in range(12)]
    at_rung = [[value / 12] * 2 for value in range(12)]
    stopped = [pruned(number, at_rung[number], params=params[number]) for number in range(12)]
    finished = [completed(number, [*at_rung[number], 1.0], params=params[number]) for number in range(12)]
    found = [importances(trials, metric=METRIC, epoch=2, distributions=DISTRIBUTIONS) for trials in (stopped, finished)]
    assert found[0] == found[1] != {}


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [completed(number, [number / 4] * 3) for number in range(4)],
        [completed(number, [0.0] * 3) for number in range(10)],
        [pruned(number, [number / 10]) for number in range(10)],
    ],
    ids=["none", "too few", "all equal", "none so far"],
)
def test_importance_is_not_made_up(trials: list[Trial]) -> None:
    assert importances(trials, metric=METRIC, epoch=3, distributions=DISTRIBUTIONS) == {}


def test_a_parameter_with_a_range_for_each_optimizer_has_one_importance() -> None:
    lows, highs = {"SGD": 1e-3, "AdamW": 1e-4}, {"SGD": 0.05, "AdamW": 5e-3}
    trials = [completed(number, [0.5] * 3, params={"optimizer": "auto"}) for number in range(1)]
    for number in range(1, 41):
        optimizer, share = ("SGD", "AdamW")[number % 2], number / 41
        rate = lows[optimizer] * (highs[optimizer] / lows[optimizer]) ** share
        trials.append(completed(number, [share] * 3, params={"optimizer": optimizer, "lr0": rate}))
    described = partial(distributions, rates_space())
    found = importances(trials, metric=METRIC, epoch=2, distributions=described)
    assert found["lr0"] > 0.9
    assert sum(found.values()) == pytest.approx(1.0)


COMPUTED = """
import importlib.util
import sys
from functools import partial
from automl.hpo.sampler import importances
from automl.storage.journal import distributions
from tests.builders import METRIC, completed, mixed_space
params = [{"optimizer": "AdamW", "lr0": 0.002 * (number + 1), "batch": 8 + number} for number in range(12)]
trials = [completed(number, [number / 12] * 3, params=held) for number, held in enumerate(params)]
found = importances(trials, metric=METRIC, epoch=3, distributions=partial(distributions, mixed_space()))
print(len(found), sorted({"sklearn", "pandas", "scipy.stats"} & set(sys.modules)))
print(importlib.util.find_spec("sklearn") is not None)
"""


@pytest.mark.slow
def test_importance_needs_no_scikit_learn_which_can_be_imported_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", COMPUTED], capture_output=True, text=True, check=True)
    assert done.stdout == "3 []\nTrue\n"
