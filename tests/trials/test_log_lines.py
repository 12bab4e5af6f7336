"""Log lines: a decision, its numbers and its reason in one line of a narrow terminal."""

import pytest

from automl.study import Ending, Trial
from automl.trials import log_lines
from tests.builders import METRIC, measurement, trial_of

PREFIX = len("12:00:00 ")
REASON = "rank 60 of 99, top 33 from 0.1217"


@pytest.mark.parametrize("how", ["pauses at", "passes", "pruned at"])
def test_a_decision_fits_80_columns(how: str) -> None:
    line = log_lines.decided(trial_of(99, [0.0672] * 36), how, REASON, metric=METRIC)
    assert line == f"trial 99 {how} epoch 36: 0.0672, {REASON}"
    assert PREFIX + len(line) <= 80


@pytest.mark.parametrize(
    ("ending", "line"),
    [
        (Ending(pruned=REASON), f"trial 99 pruned at epoch 2: 0.0672, {REASON}"),
        (Ending(final=measurement(2, 0.1)), "trial 99 completed at epoch 2: 0.0672, reached the last epoch"),
        (Ending(cause="out of memory"), "trial 99 failed at epoch 2, best 0.0672: out of memory"),
    ],
)
def test_an_ending_has_value_and_reason(ending: Ending, line: str) -> None:
    assert log_lines.ended(trial_of(99, [0.0672] * 2), ending, metric=METRIC) == line
    assert PREFIX + len(line) <= 80


def test_a_trial_that_advances_says_why_and_a_resumed_one_its_params() -> None:
    trial = trial_of(3, [0.2], params={"lr0": 0.01})
    advances = log_lines.started(trial, again=False, rank="rank 1 of 3, top 1 from 0.2000", metric=METRIC)
    assert advances == "trial 3 advances at epoch 1: 0.2000, rank 1 of 3, top 1 from 0.2000"
    assert log_lines.started(trial, again=True, rank="", metric=METRIC) == "trial 3 resumes after epoch 1: lr0=0.01"
    assert log_lines.started(Trial(3, {}, 3), again=True, rank="", metric=METRIC) == "trial 3 starts again: "
