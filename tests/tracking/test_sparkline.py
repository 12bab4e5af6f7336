"""Sparklines: one scale for all trials, ASCII where the encoding has no blocks, first to go on a narrow terminal."""

import io
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from automl.tracking import status
from automl.tracking.console import Progress
from automl.tracking.sparkline import BLOCKS, MOST, encodable, sparkline, sparklines
from automl.tracking.table import fitted, plain_lines
from automl.trials.job_clock import Elapsed
from tests.builders import METRIC, completed, spec_of, trial_of

TRIALS = [completed(0, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]), trial_of(1, [1.0]), trial_of(2)]
VIEW = status.of_trials(spec_of(), TRIALS, elapsed=Elapsed())


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_a_curve_takes_at_most_eight_blocks_and_ends_with_its_last_value(values: list[float]) -> None:
    found = sparkline(values, low=0.0, high=1.0)
    assert len(found) == min(len(values), MOST)
    assert set(found) <= set(BLOCKS)
    assert math.isclose(BLOCKS.index(found[-1]), values[-1] * 7, abs_tol=0.51)


def test_all_trials_are_on_one_scale() -> None:
    assert sparklines(TRIALS, METRIC) == ["▁▂▂▃▄▅", "█", ""]
    assert sparklines([trial_of(0)], METRIC) == [""]


class Counted(float):
    """A number that counts its comparisons."""

    compared = 0

    def __lt__(self, other: float) -> bool:
        Counted.compared += 1
        return float.__lt__(self, other)

    def __gt__(self, other: float) -> bool:
        Counted.compared += 1
        return float.__gt__(self, other)


def test_the_scale_is_found_in_one_pass_over_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "compared", 0)
    trials = [trial_of(number, [Counted(0.01 * epoch) for epoch in range(30)]) for number in range(30)]
    sparklines(trials, METRIC)
    assert 900 <= Counted.compared <= 3 * 900


def test_the_table_of_a_study_has_them_and_drops_them_first() -> None:
    assert [row[VIEW.columns.index("curve")] for row in VIEW.rows] == ["▁▂▂▃▄▅", "█", ""]
    assert VIEW.optional[0] == "curve"
    wide = fitted(VIEW, None).columns
    narrower = next(found for width in range(200, 0, -1) if (found := fitted(VIEW, width).columns) != wide)
    assert "curve" not in narrower
    assert {"trial", "state", "epoch", "map50_95", "by epoch 6", "time left"} < set(narrower)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_encoding_without_blocks_gets_ascii(encoding: str) -> None:
    text = plain_lines(VIEW, width=140, encoding=encoding)
    assert text.encode(encoding)
    assert ("▂" in text) == (encoding == "utf-8")
    assert encodable(BLOCKS, "ascii") == "_.-=+*%#"


def test_a_console_that_cannot_print_blocks_prints_the_table(tmp_path: Path) -> None:
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    progress = Progress(tmp_path / "study.log", console=console)
    progress.show(lambda: VIEW, now=True)
    assert b"_..-=+" in raw.getvalue()
