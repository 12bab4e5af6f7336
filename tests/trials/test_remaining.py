"""The time left of a whole job: search, confirmation still to come, nothing where nothing is known."""

from dataclasses import replace
from typing import Any

import pytest

from automl.study import Trial
from automl.trials import remaining
from automl.trials.job_clock import Elapsed, Stage
from automl.trials.remaining import Confirmation
from tests.builders import METRIC, completed, pruned, spec_of, trial_of

TRIALS = [
    replace(trial, measurements=tuple(replace(one, seconds=10.0) for one in trial.measurements))
    for trial in (completed(0, [0.1] * 6), completed(1, [0.2] * 6), pruned(2, [0.1, 0.1]), trial_of(3, [0.1]))
]
"""An epoch takes 10 s, a whole training 60."""
SEARCHED = Elapsed({"start": 10.0, "search": 300.0}, Stage.SEARCH, 2)


def left(elapsed: Elapsed, *, trials: list[Trial] = TRIALS, done: int = 3, **changes: Any) -> str:
    return remaining.summary(remaining.left(spec_of(**changes), trials, elapsed, done=done))


def test_the_search_goes_on_at_its_pace_and_the_confirmation_follows() -> None:
    assert left(SEARCHED, confirm={"seeds": 2}) == "about 3m40s left"
    assert left(SEARCHED, confirm={"retrainings": 12}) == "about 4m40s to 7m40s left"


def test_the_hours_end_the_search_not_the_confirmation() -> None:
    assert left(SEARCHED, confirm={"seeds": 2}, budget={"trials": 4, "hours": 301 / 3600}) == "about 2m01s left"
    assert left(SEARCHED, confirm={"seeds": 2}, budget={"trials": 4, "hours": 0.01}) == "about 2m00s left"


def test_while_confirming_what_has_ended_is_no_longer_left() -> None:
    confirming = replace(SEARCHED, stage=Stage.CONFIRM, retrained=3)
    assert left(confirming, confirm={"retrainings": 12}) == "about 2m00s to 5m00s left"


@pytest.mark.parametrize(
    ("elapsed", "trials", "done"),
    [
        (SEARCHED, [trial_of(0)], 0),
        (SEARCHED, [trial_of(0, [0.1])], 0),
        (replace(SEARCHED, places=0), TRIALS, 3),
        (replace(SEARCHED, finished=True), TRIALS, 3),
        (replace(SEARCHED, stage=Stage.EXPORT), TRIALS, 3),
    ],
    ids=["no epoch", "no trial ended", "old journal", "finished", "export"],
)
def test_where_nothing_is_known_or_left_nothing_is_said(elapsed: Elapsed, trials: list[Trial], done: int) -> None:
    assert left(elapsed, trials=trials, done=done) == ""


def test_only_validated_epochs_tell_how_long_re_trainings_take() -> None:
    trial = trial_of(0, [0.1, 0.2])
    epochs = (replace(trial.measurements[0], metrics={}, seconds=1.0), replace(trial.measurements[1], seconds=4.0))
    assert remaining.whole_training([replace(trial, measurements=epochs)], metric=METRIC, epochs=6) == 24.0


def test_the_title_of_a_confirmation_follows_its_re_trainings() -> None:
    elapsed = replace(SEARCHED, stage=Stage.CONFIRM)
    title = Confirmation((6, 12), 6, lambda: elapsed, remaining.whole_training(TRIALS, metric=METRIC, epochs=6))
    head = "confirming on fresh seeds: 0 of 6 to 12 re-trainings ended, 5m10s, "
    assert title.title({0: 0, 1: 0}, queued=4) == f"{head}about 3m00s to 6m00s left"
    title.measured(20.0)  # twice as long as the trials' epochs
    assert title.title({0: 3, 1: 3}, queued=4) == f"{head}about 5m00s to 11m00s left"


def test_the_title_of_the_last_re_training_counts_down() -> None:
    elapsed = replace(SEARCHED, stage=Stage.CONFIRM, retrained=3)
    title = Confirmation((4, 4), 6, lambda: elapsed, remaining.whole_training(TRIALS, metric=METRIC, epochs=6))
    head = "confirming on fresh seeds: 3 of 4 re-trainings ended, 5m10s"
    assert title.title({3: 3}, queued=0) == f"{head}, about 30s left"
    assert title.title({3: 6}, queued=0) == head
    assert Confirmation((4, 4), 6, lambda: elapsed, None).title({3: 3}, queued=0) == head
