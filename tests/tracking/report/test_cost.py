"""Cost by trial and by node."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl.tracking.report import cost
from automl.tracking.report.figures import drawn
from automl.tracking.report.language import Language, Words
from tests.builders import completed, trial_of
from tests.tracking.report.test_page import page_of

WORDS = Words(Language.EN)
TRIALS = [
    replace(completed(0, [0.1] * 6), node="a"), replace(completed(1, [0.1] * 6), node="_b"),
    replace(completed(2, [0.1] * 6), node="a"), trial_of(3), trial_of(4, [0.1]),
]  # fmt: skip


def test_each_node_has_its_trials_epochs_and_pace() -> None:
    rows = [tuple(row.values()) for row in cost.node_rows(TRIALS, WORDS)]
    assert rows == [("a", 2, 12, "24s", "2.0"), ("_b", 1, 6, "12s", "2.0"), ("not known", 1, 1, "2s", "2.0")]


@pytest.mark.parametrize("nodes", [1, 3, 12])
def test_the_time_of_each_trial_is_drawn_coloured_by_node_where_these_are_few(nodes: int) -> None:
    trials = [replace(completed(n, [0.1] * 6), node=f"_n{n % nodes}") for n in range(12)]
    text = drawn(lambda: cost.time_by_trial(trials, WORDS))
    assert "seconds of training" in text
    assert ("_n0" in text) == (nodes == 3)


def test_before_the_first_epoch_it_is_told(tmp_path: Path) -> None:
    assert "No epoch has been measured yet" in page_of(tmp_path, [trial_of(0)])[1]
