"""Figures of params: any space, any results, any names."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.study import ParamValue, Trial
from automl.tracking.report import figures, landscape
from automl.tracking.report.figures import drawn
from automl.tracking.report.landscape import Axis, both, contour, interpolated, parallel
from automl.tracking.report.language import Language, Words
from tests.builders import METRIC, RATES, completed, failed, spec_of, trial_of
from tests.tracking.report.test_page import page_of

NAMES = {"metric": METRIC, "objective": "map50_95"}


def trials_of(count: int = 12, result: float = 0.05) -> list[Trial]:
    return [
        completed(n, [result * n] * 6, params={"lr0": 0.002 * (n + 1), "optimizer": ("SGD", "AdamW")[n % 2]})
        for n in range(count)
    ]


def test_trials_that_run_or_have_no_result_are_not_in_the_picture() -> None:
    trials = [completed(0, [0.3] * 6), trial_of(1, [0.9]), failed(2), failed(3, [0.1])]
    assert [trial.number for trial in landscape.ended(trials, METRIC)] == [3, 0]


def test_the_axes_are_the_params_in_which_trials_differ_the_most_important_first() -> None:
    trials = trials_of()
    space = spec_of().search_space
    assert [axis.name for axis in landscape.axes_of(space, trials, ["optimizer"])] == [
        "optimizer",
        "lr0",
    ]
    rate = landscape.axes_of(space, trials, [])[0]
    assert (rate.low, rate.high, rate.log) == (0.002, 0.024, True)
    assert landscape.axes_of(space, trials[:1], []) == []


def test_the_names_of_neighbouring_axes_are_in_different_rows() -> None:
    trials = [completed(n, [0.1 * n] * 6, params={"weight_decay": n, "warmup_epochs": n}) for n in range(3)]
    axes = [Axis.of(name, [0, 1, 2]) for name in ("weight_decay", "warmup_epochs")]
    labels = parallel(trials, axes, **NAMES).axes[0].get_xticklabels()
    assert [label.get_text() for label in labels] == ["weight_decay", "\nwarmup_epochs", "map50_95"]


def test_learning_curves_have_whole_epochs_and_a_baseline_of_one_epoch_is_seen() -> None:
    trials = [completed(0, [0.3]), completed(1, [0.3, 0.4])]
    (axes,) = figures.curves(trials, [1], metric=METRIC, objective="map50_95", words=Words(Language.EN)).axes
    assert all(float(place).is_integer() for place in axes.get_xticks())
    (baseline,) = [line for line in axes.lines if line.get_label() == "baseline"]
    assert baseline.get_marker() == "o"


def test_an_axis_of_chosen_numbers_names_these_and_none_between() -> None:
    space = spec_of(space={"nbs": {"choices": [8, 64], "default": 64}}).search_space
    trials = [completed(n, [0.1 * n] * 6, params={"nbs": (8, 64)[n % 2]}) for n in range(4)]
    (axis,) = landscape.axes_of(space, trials, [])
    assert axis.ticks == ([0.0, 1.0], ["8", "64"])


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1), log=st.booleans())
def test_each_value_has_a_place_on_its_axis(values: list[ParamValue], *, log: bool) -> None:
    axis = Axis.of("x", values, log=log)
    assert all(0 <= axis.place(value) <= 1 for value in values)
    assert all(0 <= place <= 1 for place in axis.ticks[0])


@pytest.mark.parametrize(
    "values",
    [["$a$", "_b", "<c>", "d" * 99], [True, False], [1, "auto"], [0, 0.5], [1e-9, 1e9]],
    ids=["names", "flags", "mixed", "zero", "wide"],
)
def test_any_values_are_drawn(values: list[ParamValue]) -> None:
    trials = [
        completed(n, [n / 10] * 6, params={"p": values[n % len(values)], "q": n} if n else {"q": n}) for n in range(9)
    ]
    axes = [Axis.of("p", values, log=True), Axis.of("q", [0, 8], log=False)]
    assert drawn(lambda: parallel(trials, axes, **NAMES)).startswith("<svg")
    assert drawn(lambda: contour(both(trials, axes), axes, **NAMES)).startswith("<svg")


def test_equal_results_and_dots_on_a_line_are_drawn() -> None:
    trials = trials_of(result=0.0)
    axes = [Axis.of("lr0", [0.002, 0.024], log=True)] * 2
    assert "<svg" in drawn(lambda: contour(both(trials, axes), axes, **NAMES))
    assert "<svg" in drawn(lambda: parallel(trials, axes, **NAMES))


@settings(max_examples=20)
@given(st.integers(1, 9))
def test_the_surface_stays_between_the_results_and_meets_the_dots(count: int) -> None:
    steps = np.linspace(0, 1, 11)
    x, y, values = np.round(np.random.default_rng(count).random((3, count)), 1)
    surface = interpolated(x, y, values, steps)
    assert values.min() - 1e-9 <= surface.min() <= surface.max() <= values.max() + 1e-9
    assert interpolated(x[:1], y[:1], values[:1], steps)[3, 4] == pytest.approx(values[0])


def test_a_picture_that_cannot_be_is_told(tmp_path: Path) -> None:
    _, words = page_of(tmp_path, [completed(0, [0.1] * 6)])
    assert "it takes two ended trials" in words
    assert "it takes three ended trials" in words


def test_a_conditional_parameter_passes_at_the_bottom(tmp_path: Path) -> None:
    trials = [
        completed(0, [0.1] * 6, params={"optimizer": "auto"}),
        *(completed(n, [0.1 * n] * 6, params={"optimizer": "SGD", "lr0": 0.01 * n}) for n in (1, 2, 3)),
    ]
    text, words = page_of(tmp_path, trials, space=RATES)
    assert text.count("<svg") == 4
    assert "it takes" not in words
